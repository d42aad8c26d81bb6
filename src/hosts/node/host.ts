import { lookup } from "node:dns/promises";
import { networkInterfaces, totalmem } from "node:os";
import { stopSecondsMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import { wholeUnits } from "../../ports/store-settings.ts";
import { silentTelemetry } from "../../ports/telemetry.ts";
import {
  type BrokerOptions,
  type RunningBroker as Engine,
  type OpenNameServerOptions,
  startBroker as startEngine,
  startNameServer,
} from "../../wasmq.ts";
import { MemoryLogStorage } from "../memory/log-storage.ts";
import { clock } from "./clock.ts";
import {
  type Configuration,
  configurationOf,
  given,
  nameServerConfiguration,
  type Role,
  shownBrokerConfiguration,
  type WasmqOptions,
} from "./configuration.ts";
import { ConnectionLimits, descriptorShares } from "./connection-limits.ts";
import { loadCoreModule } from "./core-module.ts";
import { hostAndPort, TcpDialer } from "./dialer.ts";
import { entropy } from "./entropy.ts";
import { NodeLogStorage } from "./log-storage.ts";
import { Listener } from "./network.ts";
import { NodeScheduler } from "./scheduler.ts";

export interface RunningNamesrv {
  /** `host:port` to give to RocketMQ clients as their NameServer, and to brokers. */
  readonly namesrvAddress: string;
  /** Where it keeps what administrators leave with it: a directory, or "memory". */
  readonly store: string;
  /** Answers what was asked, keeps everything and ends. Asked again: the same stop. */
  stop(): Promise<void>;
}

export interface RunningBroker {
  /** `host:port` of the broker; clients learn it from the NameServer. */
  readonly brokerAddress: string;
  readonly brokerName: string;
  /** The NameServers elsewhere that it registers at. */
  readonly nameServers: readonly string[];
  /** The directory of the store, or "memory". */
  readonly store: string;
  /**
   * Answers what was asked, keeps everything and ends. Asked again: the same stop. Rejects if not everything could be kept, or not in
   * time; what was acknowledged is kept all the same.
   */
  stop(): Promise<void>;
}

export interface Wasmq extends RunningNamesrv, RunningBroker {}

/** Connections get this long to take their last answers. */
const closeGraceMs = 1_000;

/** Clients with `vipChannelEnabled` come to the port below the broker's by so much (MixAll.brokerVIPChannel). */
const fastPortDistance = 2;

/** registerNameServerPeriod is kept within these (BrokerController.start). */
const registerPeriodMsMin = 10_000;
const registerPeriodMsMax = 60_000;

/**
 * Starts a NameServer and a broker in this process. Rejects with a `WasmqError`: ADDRESS_IN_USE, ADDRESS_UNUSABLE,
 * STORE_LOCKED, STORE_UNREADABLE, INVALID_PARAMETER.
 */
export function startWasmq(options: WasmqOptions = {}): Promise<Wasmq> {
  return start("both", options);
}

/** Starts a NameServer for brokers elsewhere. Rejects as `startWasmq` does. */
export function startNamesrv(options: WasmqOptions = {}): Promise<RunningNamesrv> {
  return start("namesrv", options);
}

/** Starts a broker whose NameServers are elsewhere: those that `namesrv` names. Rejects as `startWasmq` does. */
export function startBroker(options: WasmqOptions = {}): Promise<RunningBroker> {
  return start("broker", options);
}

async function start(role: Role, options: WasmqOptions): Promise<Wasmq> {
  const configuration = configurationOf(role, options);
  const { bind, store, advertise } = configuration;
  const { telemetry = silentTelemetry } = options;
  for (const warning of configuration.warnings) telemetry.log("warn", warning);
  const scheduler = new NodeScheduler();
  const listeners: Listener[] = [];
  const shares = descriptorShares();
  const limits = new ConnectionLimits({
    max: shares.connections,
    idleMs: configuration[role === "namesrv" ? "nameServer" : "broker"].serverChannelMaxIdleTimeSeconds * 1_000,
  });
  const listen = async (port: number): Promise<Listener> => {
    const listener = await Listener.listen(bind, port, telemetry, limits);
    listeners.push(listener);
    return listener;
  };
  let started: { namesrvPort: number; brokerPort: number; host: string; nameServers: readonly string[] };
  let engine: Engine;
  try {
    const namesrvPort = role === "broker" ? 0 : (await listen(configuration.namesrvPort)).port;
    const brokerPort = role === "namesrv" ? 0 : (await listen(configuration.brokerPort)).port;
    if (brokerPort !== 0 && configuration.brokerPort > fastPortDistance) {
      await listen(brokerPort - fastPortDistance).catch((error: WasmqError) => {
        telemetry.log("warn", `clients with vipChannelEnabled can't come: ${error.message}`);
      });
    }
    const storeHost = await storeAddress(advertise, listeners[0]!.address);
    const host = advertise ?? storeHost;
    const nameServers = await elsewhere(configuration, role === "both" ? namesrvPort : undefined);
    started = { namesrvPort, brokerPort, host, nameServers };
    const storage = store === "memory" ? new MemoryLogStorage() : new NodeLogStorage(store, shares.files);
    const ports = { storage, clock, scheduler, entropy, telemetry, coreModule: await loadCoreModule() };
    const openNameServer = openNameServerOf(configuration);
    engine =
      role === "namesrv"
        ? await startNameServer(ports, openNameServer)
        : await startEngine(ports, {
            ...brokerOptionsOf(configuration),
            configuration: await shownBrokerConfiguration(configuration),
            storeHost: { address: storeHost, port: brokerPort },
            brokerAddress: (localAddress) => `${advertise ?? localAddress}:${brokerPort}`,
            nameServer: role === "both" ? openNameServer : "none",
            nameServers: {
              addresses: nameServers,
              dialer: new TcpDialer(configuration.broker.connectTimeoutMillis),
              brokerAddress: `${host}:${brokerPort}`,
              periodMs: Math.min(
                Math.max(configuration.broker.registerNameServerPeriod, registerPeriodMsMin),
                registerPeriodMsMax,
              ),
              timeoutMs: configuration.broker.registerBrokerTimeoutMills,
            },
          });
  } catch (error) {
    scheduler.stop();
    await Promise.all(listeners.map((listener) => listener.close(0)));
    throw asWasmqError(error, store);
  }
  const { namesrvPort, brokerPort, host, nameServers } = started;
  for (const warning of addressWarnings(role, configuration, nameServers, host)) telemetry.log("warn", warning);
  for (const listener of listeners) listener.serve((connection) => engine.accept(connection));
  const stop = async (): Promise<void> => {
    const closed = listeners.map((listener) => listener.close(closeGraceMs));
    try {
      await inTime(engine.stop(), options.stopTimeoutSeconds ?? stopSecondsMax);
    } finally {
      scheduler.stop();
      await Promise.all(closed);
    }
  };
  let stopped: Promise<void> | undefined;
  return {
    namesrvAddress: `${host}:${namesrvPort}`,
    brokerAddress: `${host}:${brokerPort}`,
    brokerName: configuration.broker.brokerName,
    nameServers,
    store,
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

async function inTime(work: Promise<void>, seconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new WasmqError("STORE_UNWRITABLE", `the disk did not do what was left in ${seconds} s`));
    }, seconds * 1000);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function openNameServerOf(configuration: Configuration): OpenNameServerOptions {
  const { waitSecondsForService, scanNotActiveBrokerInterval, ...settings } = configuration.nameServer;
  return {
    settings: {
      ...settings,
      scanNotActiveBrokerIntervalMs: scanNotActiveBrokerInterval,
      waitForServiceMs: waitSecondsForService * 1_000,
    },
    configuration: nameServerConfiguration(configuration),
  };
}

function brokerOptionsOf({
  broker,
  store,
}: Configuration): Pick<
  BrokerOptions,
  "brokerName" | "clusterName" | "rules" | "store" | "askedStore" | "messageDelayLevel"
> {
  const { mappedFileSizeCommitLog, mappedFileSizeConsumeQueue, maxMessageSize, messageDelayLevel } = broker;
  const { maxHashSlotNum, maxIndexNum, mapperFileSizeBatchConsumeQueue } = broker;
  return {
    brokerName: broker.brokerName,
    clusterName: broker.brokerClusterName,
    rules: {
      autoCreateTopicEnable: broker.autoCreateTopicEnable,
      autoCreateSubscriptionGroup: broker.autoCreateSubscriptionGroup,
      defaultTopicQueueNums: broker.defaultTopicQueueNums,
      clusterTopicEnable: broker.clusterTopicEnable,
      brokerTopicEnable: broker.brokerTopicEnable,
      traceTopicEnable: broker.traceTopicEnable,
      storeReplyMessageEnable: broker.storeReplyMessageEnable,
      msgTraceTopicName: broker.msgTraceTopicName,
      traceOn: broker.traceOn,
      brokerPermission: broker.brokerPermission,
      regionId: broker.regionId,
      litePullMessageEnable: broker.litePullMessageEnable,
      rejectPullConsumerEnable: broker.rejectPullConsumerEnable,
      notifyConsumerIdsChangedEnable: broker.notifyConsumerIdsChangedEnable,
      longPollingEnable: broker.longPollingEnable,
      shortPollingTimeMs: broker.shortPollingTimeMills,
      defaultMessageRequestMode: broker.defaultMessageRequestMode,
      defaultPopShareQueueNum: broker.defaultPopShareQueueNum,
      serverLoadBalancerEnable: broker.serverLoadBalancerEnable,
      enableRetryTopicV2: broker.enableRetryTopicV2,
      retrieveMessageFromPopRetryTopicV1: broker.retrieveMessageFromPopRetryTopicV1,
      popFromRetryProbability: broker.popFromRetryProbability,
      enablePropertyFilter: broker.enablePropertyFilter,
      filterDataCleanTimeSpanMs: broker.filterDataCleanTimeSpan,
      maxTransferBytesOnMessageInMemory: broker.maxTransferBytesOnMessageInMemory,
      maxTransferCountOnMessageInMemory: broker.maxTransferCountOnMessageInMemory,
      channelExpiredTimeoutMs: broker.channelExpiredTimeout,
      useServerSideResetOffset: broker.useServerSideResetOffset,
      flushConsumerOffsetIntervalMs: broker.flushConsumerOffsetInterval,
      flushDelayOffsetIntervalMs: broker.flushDelayOffsetInterval,
      rejectTransactionMessage: broker.rejectTransactionMessage,
      transactionTimeOutMs: broker.transactionTimeOut,
      transactionCheckIntervalMs: broker.transactionCheckInterval,
      transactionCheckMax: broker.transactionCheckMax,
      transactionOpBatchIntervalMs: broker.transactionOpBatchInterval,
      transactionOpMsgMaxSize: broker.transactionOpMsgMaxSize,
      timerWheelEnable: broker.timerWheelEnable,
      timerMaxDelaySec: broker.timerMaxDelaySec,
      timerPrecisionMs: broker.timerPrecisionMs,
      timerRollWindowSlot: broker.timerRollWindowSlot,
      timerCongestNumEachSlot: broker.timerCongestNumEachSlot,
      timerFlushIntervalMs: broker.timerFlushIntervalMs,
      mappedFileSizeTimerLog: broker.mappedFileSizeTimerLog,
      appendTopicForTimerDeleteKey: broker.appendTopicForTimerDeleteKey,
      recallMessageEnable: broker.recallMessageEnable,
    },
    store: {
      messageIndexEnable: broker.messageIndexEnable,
      flushDiskType: broker.flushDiskType,
      flushIntervalCommitLogMs: broker.flushIntervalCommitLog,
      flushIntervalConsumeQueueMs: broker.flushIntervalConsumeQueue,
      flushConsumeQueueThoroughIntervalMs: broker.flushConsumeQueueThoroughInterval,
      osPageCacheBusyTimeOutMs: broker.osPageCacheBusyTimeOutMills,
      syncFlushTimeoutMs: broker.syncFlushTimeout,
      fileReservedTimeMs: broker.fileReservedTime * 3_600_000,
      deleteWhen: broker.deleteWhen.split(";").filter(Boolean).map(Number),
      cleanResourceIntervalMs: broker.cleanResourceInterval,
      deleteFileBatchMax: broker.deleteFileBatchMax,
      diskMaxUsedSpaceRatio: broker.diskMaxUsedSpaceRatio,
      diskSpaceCleanForciblyRatio: broker.diskSpaceCleanForciblyRatio,
      diskSpaceWarningLevelRatio: broker.diskSpaceWarningLevelRatio,
      cleanFileForciblyEnable: broker.cleanFileForciblyEnable,
      watchesDisk: store !== "memory",
      enabledAppendPropCRC: broker.enabledAppendPropCRC,
      inMemoryBytesMax: (broker.accessMessageInMemoryMaxRatio / 100) * totalmem(),
    },
    askedStore: given({
      mappedFileSizeCommitLog,
      mappedFileSizeConsumeQueue: mappedFileSizeConsumeQueue && wholeUnits(mappedFileSizeConsumeQueue, 20),
      mapperFileSizeBatchConsumeQueue:
        mapperFileSizeBatchConsumeQueue && wholeUnits(mapperFileSizeBatchConsumeQueue, 46),
      maxHashSlotNum,
      maxIndexNum,
      maxMessageSize,
    }),
    ...given({ messageDelayLevel }),
  };
}

/** The NameServers that are named, but for this process's own: a `broker.conf` for one machine names it. */
async function elsewhere({ nameServers, bind }: Configuration, ownPort: number | undefined): Promise<string[]> {
  const own = new Set([
    bind,
    ...Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map((one) => one.address)),
  ]);
  const found: string[] = [];
  for (const address of nameServers) {
    const { host, port } = hostAndPort(address);
    const isOwn = port === ownPort && own.has((await lookup(host).catch(() => undefined))?.address ?? host);
    if (!isOwn) found.push(address);
  }
  return found;
}

function* addressWarnings(
  role: Role,
  { bind, advertise }: Configuration,
  nameServers: readonly string[],
  host: string,
): Generator<string> {
  if (role === "namesrv") return;
  if (role === "broker" && nameServers.length === 0) {
    yield "the broker registers nowhere: name its name servers with --namesrv";
  }
  if (advertise !== undefined) {
    if (isLoopback(bind) && !isLoopback(advertise)) {
      yield `clients are told to come to ${advertise}, but the broker listens on ${bind}, where only this machine reaches it: set --bind (bindAddress) too`;
    }
    return;
  }
  if (!isLoopback(bind)) {
    yield `clients are told the address they came by (bind=${bind}): behind a port mapping, say it with --advertise`;
  }
  if (isLoopback(host) && nameServers.some((address) => !isLoopback(hostAndPort(address).host))) {
    yield `name servers elsewhere are told ${host}, which is this machine to everybody: say another one with --advertise`;
  }
}

/** A call of the operating system that failed at the start was made for the store: the listeners tell their own trouble. */
function asWasmqError(error: unknown, store: string): unknown {
  if (error instanceof WasmqError || !(error instanceof Error) || !("syscall" in error)) return error;
  return new WasmqError("STORE_UNREADABLE", `the store ${store} can't be used: ${error.message}`, { cause: error });
}

function isLoopback(address: string): boolean {
  return address === "localhost" || address === "::1" || address.startsWith("127.");
}

/** The one address that records and message ids carry: what is advertised, else where the broker listens. */
async function storeAddress(advertise: string | undefined, bound: string): Promise<string> {
  if (advertise !== undefined) {
    try {
      return (await lookup(advertise)).address;
    } catch {
      throw new WasmqError("ADDRESS_UNUSABLE", `the host ${advertise} to advertise can't be resolved`);
    }
  }
  if (bound !== "0.0.0.0" && bound !== "::") return bound;
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address, family, internal } of addresses ?? []) {
      if (!internal && family === "IPv4") return address;
    }
  }
  return "127.0.0.1";
}
