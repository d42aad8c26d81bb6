/**
 * Peers that do harm, in a process of its own so that what they cost is not on the clock of those who measure:
 * `node bad-peers.ts KIND PORT COUNT`, forked. Says "ready" once they are at it; asked anything, it says a `PeersReport`.
 */
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { FrameCutter, requestFrame } from "../lib/remoting-client.ts";

export type PeerKind =
  | "idle"
  | "silent"
  | "slow-senders"
  | "half-frames"
  | "huge-frames"
  | "slow-readers"
  | "connects"
  | "senders";

export interface PeersReport {
  /** Connects that succeeded, and that did not. */
  readonly opened: number;
  readonly failed: number;
  /** Connections that the broker ended. */
  readonly closed: number;
  /** Answers by code and remark, numbers in remarks as N. */
  readonly answers: Readonly<Record<string, number>>;
}

export const backlogTopic = "Backlog";
/** Bytes of a frame that is begun and never ended: three quarters of the largest. */
const halfFrameBytes = 12 * 1024 * 1024;
/** Of one slow reader; each brings up to 256 KiB. */
const unreadPulls = 1_000;
const sendsInFlight = 2_000;
const connectsAtOnce = 50;

const report = { opened: 0, failed: 0, closed: 0, answers: {} as Record<string, number> };
const endedHere = new WeakSet<Socket>();
let port = 0;

function open(): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    let isOpen = false;
    socket.on("error", () => {});
    socket.once("close", () => {
      if (!isOpen) report.failed++;
      else if (!endedHere.has(socket)) report.closed++;
      resolve(undefined);
    });
    socket.once("connect", () => {
      isOpen = true;
      report.opened++;
      resolve(socket);
    });
  });
}

/** All of them, some at a time; what each does once it is there. */
async function openAll(count: number, then: (socket: Socket, index: number) => void): Promise<void> {
  for (let at = 0; at < count; at += connectsAtOnce) {
    const some = Array.from({ length: Math.min(connectsAtOnce, count - at) }, async (_, i) => {
      const socket = await open();
      if (socket !== undefined) then(socket, at + i);
    });
    await Promise.all(some);
  }
}

function heard(socket: Socket, answered: (opaque: number, code: number) => void = () => {}): void {
  const cutter = new FrameCutter(({ code, opaque, remark }) => {
    const what = `${code} ${(remark ?? "").replace(/\d+(\.\d+)?/g, "N")}`.trim();
    report.answers[what] = (report.answers[what] ?? 0) + 1;
    answered(opaque, code);
  });
  socket.on("data", (bytes) => cutter.push(bytes));
}

const pullFrame = (opaque: number, queueId: number, offset: number, suspendMs: number) =>
  requestFrame(11, opaque, 0, {
    consumerGroup: "Bad",
    topic: backlogTopic,
    queueId: String(queueId),
    queueOffset: String(offset),
    maxMsgNums: "32",
    sysFlag: suspendMs > 0 ? "6" : "4",
    commitOffset: "0",
    suspendTimeoutMillis: String(suspendMs),
    subVersion: "0",
    subscription: "*",
  });

const sendFrame = (opaque: number, topic: string, body: Uint8Array) =>
  requestFrame(310, opaque, 0, { a: "PG", b: topic, c: "TBW102", d: "4", e: "0", f: "0", g: "0", h: "0" }, body);

const kinds: Record<PeerKind, (count: number) => Promise<void>> = {
  /** Connect and say nothing. */
  idle: (count) => openAll(count, (socket) => void socket.resume()),

  /** Have a pull held each, at the end of a queue, and say nothing more. */
  silent: (count) =>
    openAll(count, (socket) => {
      heard(socket);
      socket.write(pullFrame(1, 1, 1, 60_000));
    }),

  /** Slow-loris: a byte a second of a frame of 1 MiB. */
  async "slow-senders"(count) {
    const frame = sendFrame(1, "Slow", new Uint8Array(1024 * 1024));
    const sockets: Socket[] = [];
    await openAll(count, (socket) => {
      heard(socket);
      socket.write(frame.subarray(0, 1));
      sockets.push(socket);
    });
    let sent = 1;
    const parts = 50;
    for (let part = 0; part < parts; part++) {
      setInterval(() => {
        if (part === 0) sent++;
        for (let i = part; i < sockets.length; i += parts) sockets[i]!.write(frame.subarray(sent, sent + 1));
      }, 1_000);
      await new Promise((resolve) => setTimeout(resolve, 1_000 / parts));
    }
  },

  /** Send most of a frame, and never the end. */
  async "half-frames"(count) {
    const half = sendFrame(1, "Half", new Uint8Array(halfFrameBytes + 1024 * 1024)).subarray(0, halfFrameBytes);
    await openAll(count, (socket) => {
      heard(socket);
      socket.write(half);
    });
  },

  /** Say that a frame of 2 GiB comes, and send on; come back when closed. */
  async "huge-frames"(count) {
    const begin = new Uint8Array(64 * 1024).fill(0x20);
    begin.set([0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 100]);
    const again = async (): Promise<void> => {
      for (;;) {
        const socket = await open();
        if (socket === undefined) continue;
        socket.write(begin);
        await new Promise((resolve) => socket.once("close", resolve));
      }
    };
    for (let i = 0; i < count; i++) void again();
  },

  /** Ask for a backlog a thousand times over, and read nothing. */
  "slow-readers": (count) =>
    openAll(count, (socket) => {
      socket.pause();
      for (let i = 0; i < unreadPulls; i++) socket.write(pullFrame(i + 1, 0, i, 0));
    }),

  /** Connect and reset, as often as it goes, so many at a time. */
  async connects(count) {
    const again = async (): Promise<void> => {
      for (;;) {
        const socket = await open();
        if (socket !== undefined) endedHere.add(socket.resetAndDestroy());
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    for (let i = 0; i < count; i++) void again();
  },

  /** Thousands of sends in flight; who is told that it is busy pauses for 20 ms. */
  senders: (count) =>
    openAll(count, (socket) => {
      const body = new Uint8Array(1_000);
      const send = (opaque: number) => socket.write(sendFrame(opaque, "Flood", body));
      heard(socket, (opaque, code) => {
        if (code === 0) send(opaque);
        else setTimeout(() => send(opaque), 20);
      });
      for (let i = 0; i < sendsInFlight; i++) send(i + 1);
    }),
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [kind, portText, count] = process.argv.slice(2) as [PeerKind, string, string];
  port = Number(portText);
  process.on("message", () => process.send?.(report));
  process.once("disconnect", () => process.exit());
  await kinds[kind](Number(count));
  process.send?.("ready");
}
