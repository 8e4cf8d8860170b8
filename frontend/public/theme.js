// Runs before the first paint, so that a chosen theme never flashes. Kept out of the page's
// HTML because the content security policy allows no inline scripts.
(() => {
  try {
    const theme = JSON.parse(localStorage.getItem("csp.ui") ?? "{}").theme;
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // A blocked or broken storage leaves the system's theme.
  }
})();
