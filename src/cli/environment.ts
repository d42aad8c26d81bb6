/** The environment's name for an option: WASMQ_BROKER_PORT for --broker-port. */
export function variableOf(option: string): string {
  return `WASMQ_${option.replaceAll("-", "_").toUpperCase()}`;
}

/** What was said on the command line, and else by the environment; an empty variable says nothing. */
export function withEnvironment<V extends Readonly<Record<string, string | boolean | undefined>>>(
  values: V,
  options: Readonly<Record<string, { readonly type: string }>>,
): V {
  const found: Record<string, string | boolean | undefined> = { ...values };
  for (const [name, { type }] of Object.entries(options)) {
    const said = process.env[variableOf(name)];
    if (type === "string" && found[name] === undefined && said !== undefined && said !== "") found[name] = said;
  }
  return found as V;
}
