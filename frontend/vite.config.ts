import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";
import { compressed } from "./bundling/compress";
import { inlineScript } from "./bundling/inline";

// A running gateway for `npm run dev` and `vite preview`.
const gateway = process.env["CSP_DEV_GATEWAY"] ?? "http://127.0.0.1:8400";

const proxy = {
  "/api": { target: gateway, ws: true },
  "/login": { target: gateway },
};

export default defineConfig({
  plugins: [react(), inlineScript("src/early/boot.ts"), compressed()],
  build: {
    target: "es2023",
    // The content security policy has no data: for fonts and scripts, so nothing is inlined.
    assetsInlineLimit: 0,
    sourcemap: false,
  },
  server: { proxy },
  preview: { proxy },
  test: { environment: "node", include: ["src/**/*.test.ts"] },
});
