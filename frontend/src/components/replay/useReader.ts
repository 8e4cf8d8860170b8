/** Owns a reader for as long as its log is shown. */
import { useEffect, useState } from "react";
import { LogReader, type LogSource } from "../../store/reader";

export function useReader(key: string, source: LogSource, from = 0): LogReader | null {
  const [reader, setReader] = useState<LogReader | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key says which source it is
  useEffect(() => {
    const next = new LogReader(key, source, from);
    setReader(next);
    void next.open();
    return () => next.close();
  }, [key, from]);
  return reader;
}
