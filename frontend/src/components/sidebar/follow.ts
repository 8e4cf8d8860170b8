/** Links within the page, which load nothing anew. */
import type { MouseEvent } from "react";
import { navigate } from "../../lib/router";
import { ui } from "../../store/ui";

/** What a click on a link does; with a modifier it stays what the browser makes of it. */
export function follow(path: string) {
  return (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    navigate(path);
    ui.closeDrawer();
  };
}
