/** A time that runs, for as long as it is shown. */
import { useEffect, useState } from "react";
import { duration } from "../../lib/format";

export function Elapsed({ since }: { since: number }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.max(0, Math.floor((now - since) / 1000));
  return (
    <span className="tabular">
      {seconds < 1 ? null : duration(seconds * 1000).replace(".0", "")}
    </span>
  );
}
