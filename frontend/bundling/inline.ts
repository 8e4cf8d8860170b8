/** Builds a script and puts it into index.html itself, so that it runs before anything is loaded. */
import { build, type Plugin } from "vite";

export function inlineScript(entry: string): Plugin {
  return {
    name: "inline-script",
    async transformIndexHtml() {
      return [{ tag: "script", children: await codeOf(entry), injectTo: "head-prepend" }];
    },
  };
}

async function codeOf(entry: string): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: "warn",
    build: {
      write: false,
      target: "es2023",
      rollupOptions: { input: entry, output: { format: "iife" } },
    },
  });
  const outputs = Array.isArray(built) ? built : [built];
  const chunks = outputs.flatMap((output) => ("output" in output ? output.output : []));
  const [chunk, ...others] = chunks;
  if (chunk?.type !== "chunk" || others.length > 0) throw new Error(`${entry} is not one script`);
  return chunk.code.trim();
}
