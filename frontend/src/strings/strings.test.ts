import { expect, test } from "vitest";
import { t } from ".";

const SOURCES = import.meta.glob<string>("../components/**/*.tsx", {
  query: "?raw",
  import: "default",
  eager: true,
});
const AREAS = import.meta.glob<Record<string, object>>("./*.ts", { eager: true });
/** Words between tags, or in an attribute that people read or hear. */
const TEXT = />\s*[A-Za-z][a-z]+[^<>{}=;()]*<\/|\b(?:aria-label|title|placeholder|alt)="[^"]/;

test("no component has words of its own: every text comes from here", () => {
  expect(Object.keys(SOURCES).length).toBeGreaterThan(40);
  const own = Object.entries(SOURCES).filter(([, source]) => TEXT.test(source));
  expect(own.map(([path]) => path)).toEqual([]);
});

test("no two areas name the same group of texts, which would hide one of them", () => {
  const groups = Object.entries(AREAS)
    .filter(([path]) => !/index|plural|\.test/.test(path))
    .flatMap(([, area]) => Object.values(area).flatMap(Object.keys));
  expect(groups.toSorted()).toEqual(Object.keys(t).toSorted());
});
