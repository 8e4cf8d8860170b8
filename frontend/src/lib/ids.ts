/** Random ids. `crypto.randomUUID` is missing where the page comes without TLS from another host. */

/** A UUID, version 4. */
export function newId(): string {
  const bytes = [...crypto.getRandomValues(new Uint8Array(16))];
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** `count` random bytes in hexadecimal. */
export function randomHex(count: number): string {
  return hex([...crypto.getRandomValues(new Uint8Array(count))]);
}

function hex(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
