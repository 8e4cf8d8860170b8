/** Markdown that may still be growing: finished blocks are kept, the last one is parsed again. */
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmFromMarkdown } from "mdast-util-gfm";
import { gfm } from "micromark-extension-gfm";
import { memo, useMemo, useRef } from "react";
import { type Blocks, NO_BLOCKS, splitBlocks } from "./blocks";
import styles from "./markdown.module.css";
import { type Definitions, render } from "./render";

const OPTIONS = { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] };
/** Beyond this a single block is no prose, and parsing it could take long. */
const MAX_BLOCK = 60_000;
const DEFINITION = /^ {0,3}\[([^\]\n]{1,100})\]:\s+<?(\S+?)>?(?:\s|$)/gm;
const NO_DEFINITIONS: Definitions = new Map();

export function Markdown({ text, streaming = false }: { text: string; streaming?: boolean }) {
  const before = useRef<Blocks>(NO_BLOCKS);
  const blocks = useMemo(() => {
    before.current = splitBlocks(text, before.current);
    return before.current;
  }, [text]);
  const defs = useMemo(() => (streaming ? NO_DEFINITIONS : definitionsOf(text)), [text, streaming]);
  return (
    <div className={styles.markdown} data-streaming={streaming}>
      {blocks.done.map((block) => (
        <Block key={block.start} text={block.text} defs={defs} />
      ))}
      {blocks.tail.text ? (
        <Block key={blocks.tail.start} text={blocks.tail.text} defs={defs} />
      ) : null}
    </div>
  );
}

const Block = memo(function Block({ text, defs }: { text: string; defs: Definitions }) {
  return useMemo(() => {
    if (text.length > MAX_BLOCK) return <pre className={styles.raw}>{text}</pre>;
    return render(fromMarkdown(text, OPTIONS), 0, defs);
  }, [text, defs]);
});

function definitionsOf(text: string): Definitions {
  if (!text.includes("]:")) return NO_DEFINITIONS;
  const found = new Map<string, string>();
  for (const match of text.matchAll(DEFINITION)) {
    if (match[1] && match[2]) found.set(match[1].toLowerCase(), match[2]);
  }
  return found;
}
