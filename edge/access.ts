/** Where a developer's own machine answers; a deployment has another name. */
const localHosts: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

/**
 * Why a request is refused, or undefined. The token comes as `Authorization: Bearer`, or as `token` of the query where a browser's
 * WebSocket takes no headers. Without one set, only a developer's own machine is served, and no page of elsewhere that it shows.
 */
export async function refusalOf(request: Request, token: string | undefined): Promise<string | undefined> {
  const url = new URL(request.url);
  if (token === undefined || token === "") {
    if (!localHosts.has(url.hostname)) {
      return "this deployment has no token yet: set one with `wrangler secret put TOKEN`";
    }
    const origin = request.headers.get("Origin");
    if (origin === null || (URL.canParse(origin) && localHosts.has(new URL(origin).hostname))) return undefined;
    return `pages of ${origin} need a token, and none is set`;
  }
  const [, bearer] = /^Bearer (.+)$/i.exec(request.headers.get("Authorization") ?? "") ?? [];
  const given = bearer ?? url.searchParams.get("token") ?? "";
  return (await isSame(given, token)) ? undefined : "the token is missing or wrong";
}

/** In a time that does not tell how much of it was right. */
async function isSame(a: string, b: string): Promise<boolean> {
  const digest = (text: string) => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  const [one, other] = await Promise.all([digest(a), digest(b)]);
  const bytes = new Uint8Array(other);
  return new Uint8Array(one).reduce((different, byte, i) => different | (byte ^ bytes[i]!), 0) === 0;
}
