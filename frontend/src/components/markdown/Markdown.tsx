/**
 * Markdown that may still be growing: finished blocks are kept, the last one is parsed again. What is
 * finished when it comes is one block, since each call of the parser has its price.
 */
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmFromMarkdown } from "mdast-util-gfm";
import { gfm } from "micromark-extension-gfm";
import { memo, useMemo, useRef, useState } from "react";
import { type Blocks, NO_BLOCKS, oneBlock, openFence, splitBlocks } from "./blocks";
import { CodeBlock } from "./CodeBlock";
import styles from "./markdown.module.css";
import { type Definitions, render } from "./render";

const OPTIONS = { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] };
const MAX_WHOLE = 20_000;
/** Beyond this a single block is no prose, and parsing it could take long. */
const MAX_BLOCK = 60_000;
/** Colours of code that grows are worked out again with every piece: only while that is quick. */
const MAX_GROWING_COLOURS = 4000;
const DEFINITION = /^ {0,3}\[([^\]\n]{1,100})\]:\s+<?(\S+?)>?(?:\s|$)/gm;
const NO_DEFINITIONS: Definitions = new Map();

export function Markdown({ text, streaming = false }: { text: string; streaming?: boolean }) {
  const [whole] = useState(!streaming && text.length <= MAX_WHOLE);
  const before = useRef<Blocks>(NO_BLOCKS);
  const blocks = useMemo(() => {
    before.current = whole ? oneBlock(text) : splitBlocks(text, before.current);
    return before.current;
  }, [text, whole]);
  const defs = useMemo(() => (streaming ? NO_DEFINITIONS : definitionsOf(text)), [text, streaming]);
  return (
    <div className={styles.markdown} data-streaming={streaming}>
      {blocks.done.map((block) => (
        <Block key={block.start} text={block.text} defs={defs} />
      ))}
      {blocks.tail.text ? (
        <Block key={blocks.tail.start} text={blocks.tail.text} defs={defs} growing={streaming} />
      ) : null}
    </div>
  );
}

interface BlockProps {
  readonly text: string;
  readonly defs: Definitions;
  readonly growing?: boolean;
}

const Block = memo(function Block({ text, defs, growing = false }: BlockProps) {
  return useMemo(() => {
    const open = growing ? openFence(text) : null;
    if (open) {
      const coloured = open.code.length <= MAX_GROWING_COLOURS;
      return <CodeBlock code={open.code} language={coloured ? open.language : null} />;
    }
    if (text.length > MAX_BLOCK) return <pre className={styles.raw}>{text}</pre>;
    return render(fromMarkdown(text, OPTIONS), 0, defs);
  }, [text, defs, growing]);
});

function definitionsOf(text: string): Definitions {
  if (!text.includes("]:")) return NO_DEFINITIONS;
  const found = new Map<string, string>();
  for (const match of text.matchAll(DEFINITION)) {
    if (match[1] && match[2]) found.set(match[1].toLowerCase(), match[2]);
  }
  return found;
}
