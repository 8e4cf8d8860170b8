/**
 * From Markdown's syntax tree to elements. HTML in the text is shown as text, links are limited to
 * harmless schemes, and pictures are links: an answer must not make the browser fetch things.
 */
import type { Nodes, PhrasingContent, Table, TableCell } from "mdast";
import type { ReactNode } from "react";
import { t } from "../../strings";
import { CodeBlock } from "./CodeBlock";
import styles from "./markdown.module.css";

const SAFE_LINK = /^(?:https?:|mailto:)/i;

export type Definitions = ReadonlyMap<string, string>;

export function render(node: Nodes, key: number, defs: Definitions): ReactNode {
  switch (node.type) {
    case "root":
      return children(node.children, defs);
    case "paragraph":
      return <p key={key}>{children(node.children, defs)}</p>;
    case "heading":
      // One level for all: blocks are parsed on their own and cannot know their outline.
      return (
        <h3 key={key} data-depth={Math.min(node.depth, 4)}>
          {children(node.children, defs)}
        </h3>
      );
    case "thematicBreak":
      return <hr key={key} />;
    case "blockquote":
      return <blockquote key={key}>{children(node.children, defs)}</blockquote>;
    case "list":
      return node.ordered ? (
        <ol key={key} start={node.start ?? 1}>
          {children(node.children, defs)}
        </ol>
      ) : (
        <ul key={key}>{children(node.children, defs)}</ul>
      );
    case "listItem":
      return listItem(node, key, defs);
    case "code":
      return <CodeBlock key={key} code={node.value} language={node.lang ?? null} />;
    case "table":
      return table(node, key, defs);
    case "definition":
      return null;
    case "html":
      return <span key={key}>{node.value}</span>;
    default:
      return inline(node as PhrasingContent, key, defs);
  }
}

function inline(node: PhrasingContent, key: number, defs: Definitions): ReactNode {
  switch (node.type) {
    case "text":
      return node.value;
    case "strong":
      return <strong key={key}>{children(node.children, defs)}</strong>;
    case "emphasis":
      return <em key={key}>{children(node.children, defs)}</em>;
    case "delete":
      return <del key={key}>{children(node.children, defs)}</del>;
    case "inlineCode":
      return <code key={key}>{node.value}</code>;
    case "break":
      return <br key={key} />;
    case "link":
      return link(node.url, children(node.children, defs), key);
    case "linkReference":
      return link(defs.get(node.identifier) ?? "", children(node.children, defs), key);
    case "image":
      return link(node.url, node.alt || node.url, key);
    case "imageReference":
      return link(defs.get(node.identifier) ?? "", node.alt || node.identifier, key);
    case "footnoteReference":
      return <sup key={key}>{node.label ?? node.identifier}</sup>;
    default:
      return "value" in node ? String(node.value) : null;
  }
}

function children(nodes: readonly Nodes[], defs: Definitions): ReactNode[] {
  return nodes.map((child, index) => render(child, index, defs));
}

function link(url: string, content: ReactNode, key: number): ReactNode {
  if (!SAFE_LINK.test(url)) return <span key={key}>{content}</span>;
  return (
    <a key={key} href={url} target="_blank" rel="noopener noreferrer nofollow">
      {content}
    </a>
  );
}

function listItem(node: Extract<Nodes, { type: "listItem" }>, key: number, defs: Definitions) {
  const content = node.children.map((child, index) =>
    child.type === "paragraph" && !node.spread
      ? children(child.children, defs)
      : render(child, index, defs),
  );
  if (typeof node.checked !== "boolean") return <li key={key}>{content}</li>;
  return (
    <li key={key} className={styles.task}>
      <span
        className={styles.box}
        data-checked={node.checked}
        role="img"
        aria-label={node.checked ? t.plan.states.completed : t.plan.states.pending}
      />
      <span>{content}</span>
    </li>
  );
}

function table(node: Table, key: number, defs: Definitions): ReactNode {
  const [head, ...rows] = node.children;
  const cell = (Tag: "th" | "td") => (entry: TableCell, column: number) => (
    <Tag key={column} data-align={node.align?.[column] ?? "left"}>
      {children(entry.children, defs)}
    </Tag>
  );
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <div key={key} className={styles.tableScroll} tabIndex={0}>
      <table>
        <thead>
          <tr>{head?.children.map(cell("th"))}</tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a finished table's rows do not move
            <tr key={index}>{row.children.map(cell("td"))}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
