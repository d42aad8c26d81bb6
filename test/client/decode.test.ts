import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeMessages } from "../../src/client/decode.ts";
import { encodeBatch, encodeMessage, printProperties } from "../../src/client/encode.ts";
import { ClientError } from "../../src/client/error.ts";
import { recordArbitrary } from "../core/arbitraries.ts";
import { encodeRecordModel, type RecordModel } from "../model/record.ts";

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** A plain message; `changed` says what is not. */
function record(changed: Partial<RecordModel> = {}): Uint8Array {
  const text = new TextEncoder();
  const model: RecordModel = {
    ...{ queueId: 3, flag: 9, queueOffset: 17, sysFlag: 0, reconsumeTimes: 2, preparedTransactionOffset: 0 },
    ...{ bornTimestamp: 1_700_000_000_001, storeTimestamp: 1_700_000_000_002 },
    bornHost: Uint8Array.of(10, 0, 0, 7, 0, 0, 0x30, 0x39),
    storeHost: Uint8Array.of(127, 0, 0, 1, 0, 0, 0x2a, 0x9f),
    topic: text.encode("T"),
    body: text.encode("hello"),
    properties: "TAGS\u0001A\u0002KEYS\u0001k1 k2\u0002UNIQ_KEY\u0001U\u0002",
    ...changed,
  };
  return encodeRecordModel(model, 4_660, false)!.bytes;
}

test("a record is read field by field", () => {
  const { messages } = decodeMessages(record(), "broker-a");
  expect(messages).toEqual([
    {
      topic: "T",
      brokerName: "broker-a",
      queueId: 3,
      queueOffset: 17,
      messageId: "U",
      offsetMessageId: "7F00000100002A9F0000000000001234",
      body: new TextEncoder().encode("hello"),
      tag: "A",
      keys: ["k1", "k2"],
      properties: { TAGS: "A", KEYS: "k1 k2", UNIQ_KEY: "U" },
      flag: 9,
      bornTimestampMs: 1_700_000_000_001,
      bornHost: "10.0.0.7:12345",
      storeTimestampMs: 1_700_000_000_002,
      storeHost: "127.0.0.1:10911",
      commitLogOffset: 4_660,
      storeSizeBytes: record().length,
      reconsumeTimes: 2,
    },
  ]);
});

test("IPv6 hosts, long topics, properties without their last separator", () => {
  const v6 = Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0x2a, 0x9f);
  const topic = new TextEncoder().encode("t".repeat(200));
  const properties = "UNIQ_KEY\u0001U\u0002TAGS\u0001A";
  const { messages } = decodeMessages(record({ bornHost: v6, storeHost: v6, topic, properties }), "b");
  expect(messages[0]).toMatchObject({
    topic: "t".repeat(200),
    bornHost: "[2001:db8:0:0:0:0:0:1]:10911",
    storeHost: "[2001:db8:0:0:0:0:0:1]:10911",
    offsetMessageId: "20010DB800000000000000000000000100002A9F0000000000001234",
    tag: "A",
  });
});

test("records of all shapes are read as the model wrote them", () => {
  // Neither compressed nor batches in one record.
  const plain = recordArbitrary.map((model) => ({ ...model, sysFlag: model.sysFlag & ~0xc1 }));
  fc.assert(
    fc.property(fc.array(plain, { maxLength: 4 }), (models) => {
      const written = models.flatMap((model) => {
        const encoded = encodeRecordModel(model, 77, false);
        return encoded === undefined ? [] : [{ model, bytes: encoded.bytes }];
      });
      const all = Uint8Array.from(written.flatMap(({ bytes }) => [...bytes]));
      const { messages, unreadable } = decodeMessages(all, "b");
      expect(unreadable).toEqual([]);
      expect(messages).toHaveLength(written.length);
      for (const [i, message] of messages.entries()) {
        const { model } = written[i]!;
        expect(message).toMatchObject({
          topic: utf8.decode(model.topic),
          queueId: model.queueId,
          queueOffset: model.queueOffset,
          body: model.body,
          flag: model.flag,
          reconsumeTimes: model.reconsumeTimes,
          bornTimestampMs: model.bornTimestamp,
          storeTimestampMs: model.storeTimestamp,
          commitLogOffset: 77,
        });
      }
    }),
  );
});

describe("what can't be read", () => {
  test("is left out with its offset, and what is behind it is read", () => {
    const damaged = record({ queueOffset: 18 });
    damaged[90]! ^= 1;
    const badlyCompressed = record({ queueOffset: 19, sysFlag: 1 });
    const all = Uint8Array.from(
      [record(), damaged, badlyCompressed, record({ queueOffset: 20 })].flatMap((r) => [...r]),
    );
    const { messages, unreadable } = decodeMessages(all, "b");
    expect(messages.map(({ queueOffset }) => queueOffset)).toEqual([17, 20]);
    expect(unreadable.map(({ queueOffset, error }) => [queueOffset, error.code, error.message])).toEqual([
      [18, "MESSAGE_UNREADABLE", "a body does not have its CRC"],
      [19, "MESSAGE_UNREADABLE", expect.stringContaining("can't be inflated")],
    ]);
  });

  test("ends no other way, whatever the bytes are", () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 });
    fc.assert(
      fc.property(changes, fc.nat(), (changed, cut) => {
        const bytes = Uint8Array.from([...record(), ...record()]);
        for (const [at, value] of changed) bytes[at % bytes.length] = value;
        try {
          decodeMessages(bytes.subarray(0, cut % (bytes.length + 1)), "b");
        } catch (error) {
          expect(error).toBeInstanceOf(ClientError);
          expect((error as ClientError).code).toBe("MESSAGE_UNREADABLE");
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test("names of properties are names, whatever they mean to JavaScript", () => {
    const { messages } = decodeMessages(record({ properties: "__proto__\u0001x\u0002constructor\u0001y\u0002" }), "b");
    expect(Object.entries(messages[0]!.properties)).toEqual([
      ["__proto__", "x"],
      ["constructor", "y"],
    ]);
    expect(printProperties(messages[0]!.properties)).toBe("__proto__\u0001x\u0002constructor\u0001y\u0002");
  });
});

test("a batch is laid out as MessageDecoder.encodeMessages does", () => {
  const encoded = encodeMessage({ topic: "T", body: "hi", flag: 5 }, "U");
  const bytes = encodeBatch([encoded]);
  const properties = "UNIQ_KEY\u0001U\u0002WAIT\u0001true\u0002";
  const view = new DataView(bytes.buffer);
  expect(view.getInt32(0)).toBe(bytes.length);
  expect([view.getInt32(4), view.getInt32(8), view.getInt32(12), view.getInt32(16)]).toEqual([0, 0, 5, 2]);
  expect(utf8.decode(bytes.subarray(20, 22))).toBe("hi");
  expect(view.getInt16(22)).toBe(properties.length);
  expect(utf8.decode(bytes.subarray(24))).toBe(properties);
});
