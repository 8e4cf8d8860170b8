/** What a terminal program printed, without its control sequences; a page is no terminal. */

const ESC = String.fromCharCode(27);
const BEL = String.fromCharCode(7);
const SEQUENCES = new RegExp(
  `${ESC}(?:\\[[0-?]*[ -/]*[@-~]|\\][^${BEL}${ESC}]*(?:${BEL}|${ESC}\\\\)|[@-Z\\\\-_])`,
  "g",
);

export function plainOutput(text: string): string {
  const clean = text.includes(ESC) ? text.replace(SEQUENCES, "") : text;
  if (!clean.includes("\r")) return clean;
  // A progress bar writes over its line: only what stood there in the end is shown.
  return clean
    .replaceAll("\r\n", "\n")
    .split("\n")
    .map((line) => line.slice(line.lastIndexOf("\r", line.length - 2) + 1).replace("\r", ""))
    .join("\n");
}
