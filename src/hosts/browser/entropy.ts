import type { Entropy } from "../../ports/entropy.ts";

export const entropy: Entropy = { random: () => Math.random() };
