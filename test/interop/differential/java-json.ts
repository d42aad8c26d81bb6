/**
 * JSON as fastjson writes it: names without quotes, and objects as names, which are given back printed. Numbers beyond the safe integers come as
 * text.
 */
export function parseJavaJson(text: string): unknown {
  let at = 0;
  const space = () => {
    while (/\s/.test(text[at] ?? "")) at++;
  };
  const fail = (): never => {
    throw new Error(`no JSON at ${at}: ${text.slice(Math.max(0, at - 40), at + 40)}`);
  };
  const take = (token: string) => {
    space();
    if (text[at] !== token) return false;
    at++;
    return true;
  };
  const scalar = (): unknown => {
    space();
    const token = /^(?:"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null)/s.exec(text.slice(at))?.[0];
    if (token === undefined) return fail();
    at += token.length;
    const value: unknown = JSON.parse(token.startsWith('"') ? token.replaceAll("\\'", "'") : token);
    return typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value) ? token : value;
  };
  const read = (): unknown => {
    space();
    if (take("[")) {
      const items: unknown[] = [];
      while (!take("]")) {
        items.push(read());
        take(",");
      }
      return items;
    }
    if (!take("{")) return scalar();
    const members: Record<string, unknown> = {};
    while (!take("}")) {
      space();
      const name = read();
      if (!take(":")) fail();
      members[typeof name === "string" ? name : JSON.stringify(sorted(name))] = read();
      take(",");
    }
    return members;
  };
  const value = read();
  space();
  if (at < text.length) fail();
  return value;
}

/** With the members of objects by name. */
function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, one]) => [name, sorted(one)]));
}
