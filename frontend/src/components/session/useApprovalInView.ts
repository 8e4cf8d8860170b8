import { useEffect, useState } from "react";

/** The card of an open question, as far as it is in the page. */
export function approvalElement(id: string): HTMLElement | null {
  return document.querySelector<HTMLElement>(`[data-approval="${CSS.escape(id)}"]`);
}

export function isInView(element: HTMLElement): boolean {
  const scroller = element.closest("#conversation")?.getBoundingClientRect();
  const own = element.getBoundingClientRect();
  if (!scroller || own.height === 0) return false;
  const top = Math.max(scroller.top, 0);
  const bottom = Math.min(scroller.bottom, window.innerHeight);
  return own.bottom > top + 40 && own.top <= bottom - 60;
}

/** Whether the first of these open questions can be seen now. */
export function useApprovalInView(pending: readonly string[]): boolean {
  const first = pending[0];
  const [inView, setInView] = useState(true);
  useEffect(() => {
    if (first === undefined) return;
    const scroller = document.getElementById("conversation");
    const check = () => {
      const element = approvalElement(first);
      setInView(element !== null && isInView(element));
    };
    const timer = setInterval(check, 400);
    scroller?.addEventListener("scroll", check, { passive: true });
    return () => {
      clearInterval(timer);
      scroller?.removeEventListener("scroll", check);
    };
  }, [first]);
  return inView;
}
