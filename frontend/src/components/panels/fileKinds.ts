/** How a file is previewed, by its name. */
export type FileKind = "image" | "markdown" | "text" | "other";

const IMAGES = new Set(["png", "jpg", "jpeg", "gif", "webp", "avif", "bmp", "ico"]);
const OPAQUE = new Set(["zip", "gz", "tar", "bin", "exe", "so", "o", "pdf", "woff2", "mp4", "mp3"]);

const LANGUAGES: Readonly<Record<string, string>> = {
  py: "python",
  ts: "typescript",
  tsx: "typescript",
  js: "javascript",
  jsx: "javascript",
  mjs: "javascript",
  rs: "rust",
  rb: "ruby",
  sh: "bash",
  yml: "yaml",
  html: "xml",
  svg: "xml",
  kt: "kotlin",
  h: "c",
  cs: "csharp",
  toml: "ini",
};

function extensionOf(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot < 0 ? name.toLowerCase() : name.slice(dot + 1).toLowerCase();
}

export function kindOf(name: string): FileKind {
  const extension = extensionOf(name);
  if (IMAGES.has(extension)) return "image";
  if (extension === "md" || extension === "markdown") return "markdown";
  return OPAQUE.has(extension) ? "other" : "text";
}

export function languageOf(name: string): string {
  const extension = extensionOf(name);
  return LANGUAGES[extension] ?? extension;
}
