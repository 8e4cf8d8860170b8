import { expect, test } from "vitest";
import { NO_BLOCKS, openFence, splitBlocks } from "./blocks";

const TEXT = `# Title

A paragraph
of two lines.

- one

- two
  more

1. first

2. second

\`\`\`py
def f():

    return 1
\`\`\`

| a | b |
|---|---|
| 1 | 2 |

Last words`;

function texts(text: string): string[] {
  const { done, tail } = splitBlocks(text);
  return [...done.map((block) => block.text), tail.text];
}

test("a text is cut at blank lines, but not within fences and lists", () => {
  expect(texts(TEXT).map((text) => text.trim().split("\n")[0])).toEqual([
    "# Title",
    "A paragraph",
    "- one",
    "```py",
    "| a | b |",
    "Last words",
  ]);
});

test("the blocks joined are the text", () => {
  expect(texts(TEXT).join("")).toBe(TEXT);
});

test("growing letter by letter gives the same blocks as the whole text at once", () => {
  let blocks = NO_BLOCKS;
  for (let length = 1; length <= TEXT.length; length += 1) {
    blocks = splitBlocks(TEXT.slice(0, length), blocks);
  }
  expect(blocks).toEqual(splitBlocks(TEXT));
});

test("a finished block is the same object while the text grows", () => {
  const first = splitBlocks("one\n\ntwo\n\nthr");
  const second = splitBlocks("one\n\ntwo\n\nthree and more", first);
  expect(second.done[0]).toBe(first.done[0]);
  expect(second.tail.text).toBe("three and more");
});

test("a text that is not the earlier one continued is cut anew", () => {
  const first = splitBlocks("one\n\ntwo\n\nthree");
  expect(splitBlocks("uno\n\ndue", first).done.map((block) => block.text)).toEqual(["uno\n\n"]);
});

test("an open fence stays in the tail however many blank lines it holds", () => {
  expect(splitBlocks("```\na\n\n\nb\n\n").done).toEqual([]);
});

test("code that is still being written is known without a parser", () => {
  expect(openFence("```py\nx = 1\ny")).toEqual({ language: "py", code: "x = 1\ny" });
  expect(openFence("````\n```\n")).toEqual({ language: null, code: "```\n" });
  expect(openFence("```py\nx\n```\nmore")).toBeNull();
  expect(openFence("text")).toBeNull();
});
