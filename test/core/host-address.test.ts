import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeHost, encodeHost } from "../../src/core/host-address.ts";

test("addresses as RFC 5952 writes them", () => {
  for (const address of [
    "1.2.3.4",
    "::",
    "::1",
    "1::",
    "2001:db8::1",
    "1:0:0:2::3",
    "1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:0:8",
  ]) {
    expect(decodeHost(encodeHost(address, 10911))).toEqual({ address, port: 10911 });
  }
});

test("any address comes back", () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(65535), (address, port) => {
      const host = encodeHost(address, port);
      const decoded = decodeHost(host);
      expect(decoded.port).toBe(port);
      expect(encodeHost(decoded.address, port)).toEqual(host);
    }),
  );
});

test("what is no host is refused", () => {
  expect(() => decodeHost(new Uint8Array(9))).toThrow(RangeError);
});
