/** A family of forks as a tree, and what two of its members have in common. Pure. */
import { t } from "../strings";

export interface Member {
  readonly id: string;
  readonly parent: string | null;
  readonly forked_seq: number | null;
}

/** What tells a branch from its siblings: its own first message rather than the common title. */
export function branchName(branch: {
  readonly said: string | null;
  readonly title: string | null;
}): string {
  return branch.said ?? branch.title ?? t.app.untitled;
}

export interface Placed<T extends Member> {
  readonly member: T;
  readonly depth: number;
}

/** The tree from its roots down, each member with its depth. Orphans of deleted parents are roots. */
export function asTree<T extends Member>(members: readonly T[]): readonly Placed<T>[] {
  const known = new Set(members.map((member) => member.id));
  const children = new Map<string | null, T[]>();
  for (const member of members) {
    const parent = member.parent !== null && known.has(member.parent) ? member.parent : null;
    children.set(parent, [...(children.get(parent) ?? []), member]);
  }
  const placed: Placed<T>[] = [];
  const place = (parent: string | null, depth: number): void => {
    for (const member of children.get(parent) ?? []) {
      placed.push({ member, depth });
      place(member.id, depth + 1);
    }
  };
  place(null, 0);
  return placed;
}

/** How many first events two members share: zero when they are not of one family. */
export function commonEvents(
  members: readonly Member[],
  one: string,
  other: string,
  length: (id: string) => number,
): number {
  const byId = new Map(members.map((member) => [member.id, member]));
  const shared = new Map<string, number>();
  for (const [id, events] of ancestry(byId, one, length)) shared.set(id, events);
  for (const [id, events] of ancestry(byId, other, length)) {
    const mine = shared.get(id);
    if (mine !== undefined) return Math.min(mine, events);
  }
  return 0;
}

/** A member and its ancestors, each with how many of its first events the member holds. */
function* ancestry(
  byId: ReadonlyMap<string, Member>,
  start: string,
  length: (id: string) => number,
): Iterable<readonly [string, number]> {
  let events = length(start);
  let id: string | null = start;
  while (id !== null) {
    yield [id, events];
    const member: Member | undefined = byId.get(id);
    if (!member) return;
    events = Math.min(events, member.forked_seq ?? 0);
    id = member.parent;
  }
}
