/**
 * Puts a compressed copy beside each file that gains by it: `name.br` and `name.gz`. The gateway
 * sends what the browser takes, and compresses nothing itself.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Plugin } from "vite";

const TEXT = /\.(?:js|css|html|svg)$/;
/** Below this a file fits one packet with its headers. */
const WORTH_BYTES = 1024;

export function compressed(): Plugin {
  let directory = "";
  return {
    name: "compressed",
    apply: "build",
    configResolved(config) {
      directory = config.build.outDir;
    },
    closeBundle() {
      for (const name of readdirSync(directory, { encoding: "utf8", recursive: true })) {
        const path = join(directory, name);
        if (TEXT.test(name) && statSync(path).size >= WORTH_BYTES) compress(path);
      }
    },
  };
}

function compress(path: string): void {
  const content = readFileSync(path);
  const quality = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
  writeFileSync(`${path}.br`, brotliCompressSync(content, { params: quality }));
  writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
}
