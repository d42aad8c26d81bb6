import { pullHoldMsMax, pullUnitsMax, transferBytesMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import type { BrokerRules, BrokerSettings } from "../settings.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What an administrator may change while the broker runs. */
interface LiveSetting {
  readonly name: string;
  /** What it may be, as it ends "NAME is ...". */
  readonly what: string;
  readonly show: (settings: BrokerRules) => string;
  /** Undefined for a text that it can't be. */
  readonly read: (text: string) => ((settings: Mutable<BrokerRules>) => void) | undefined;
}

/**
 * All of it: never a path, a name, an address or a command. Whoever reaches a broker may ask for it, and that RocketMQ takes any setting so
 * made other people's commands of some (CVE-2023-33246, CVE-2023-37582).
 */
const liveSettings: readonly LiveSetting[] = [
  flag("autoCreateTopicEnable"),
  flag("autoCreateSubscriptionGroup"),
  whole("brokerPermission", "brokerPermission", 0, 7),
  flag("litePullMessageEnable"),
  flag("rejectPullConsumerEnable"),
  flag("notifyConsumerIdsChangedEnable"),
  flag("longPollingEnable"),
  whole("shortPollingTimeMills", "shortPollingTimeMs", 1, pullHoldMsMax),
  whole("maxTransferBytesOnMessageInMemory", "maxTransferBytesOnMessageInMemory", 1, transferBytesMax),
  whole("maxTransferCountOnMessageInMemory", "maxTransferCountOnMessageInMemory", 1, pullUnitsMax),
  whole("channelExpiredTimeout", "channelExpiredTimeoutMs", 1_000, 24 * 3_600_000),
  flag("useServerSideResetOffset"),
];

/** Settings that hold until the broker is started again: those of its start are where it was started (Configuration.update). */
export class LiveSettings {
  readonly #settings: Mutable<BrokerSettings>;
  readonly #permissionChanged: () => void;

  /** `settings`: the one object that all features go by. `permissionChanged`: what clients may do is another. */
  constructor(settings: BrokerSettings, permissionChanged: () => void) {
    this.#settings = settings;
    this.#permissionChanged = permissionChanged;
  }

  /** RocketMQ's settings by their names, with the values that hold now. */
  show(): Map<string, string> {
    return new Map([
      ["brokerName", this.#settings.brokerName],
      ["brokerClusterName", this.#settings.clusterName],
      ...liveSettings.map(({ name, show }) => [name, show(this.#settings)] as const),
    ]);
  }

  /**
   * Changes all of them, or none: throws NO_PERMISSION for one that can't be changed so, INVALID_PARAMETER for a value that it can't
   * have.
   */
  change(values: ReadonlyMap<string, string>): void {
    const changes = Array.from(values, ([name, value]) => {
      const setting = liveSettings.find((one) => one.name === name);
      if (setting === undefined) {
        throw new WasmqError(
          "NO_PERMISSION",
          `${name.slice(0, 64)} can't be changed while the broker runs: set it where the broker is started. ` +
            `Those that can: ${liveSettings.map((one) => one.name).join(", ")}`,
        );
      }
      const change = setting.read(value.trim());
      if (change === undefined) {
        throw new WasmqError(
          "INVALID_PARAMETER",
          `${name} is ${setting.what}, not ${JSON.stringify(value.slice(0, 64))}`,
        );
      }
      return change;
    });
    const before = this.#settings.brokerPermission;
    for (const change of changes) change(this.#settings);
    if (this.#settings.brokerPermission !== before) this.#permissionChanged();
  }
}

type KeysOf<T> = { [K in keyof BrokerRules]-?: BrokerRules[K] extends T ? K : never }[keyof BrokerRules];

function flag(name: KeysOf<boolean>): LiveSetting {
  return {
    name,
    what: "true or false",
    show: (settings) => String(settings[name]),
    read: (text) => {
      if (!/^(true|false)$/i.test(text)) return undefined;
      return (settings) => {
        settings[name] = text.toLowerCase() === "true";
      };
    },
  };
}

function whole(name: string, member: KeysOf<number>, min: number, max: number): LiveSetting {
  return {
    name,
    what: `a whole number from ${min} to ${max}`,
    show: (settings) => String(settings[member]),
    read: (text) => {
      const value = Number(text);
      if (!/^\d{1,16}$/.test(text) || value < min || value > max) return undefined;
      return (settings) => {
        settings[member] = value;
      };
    },
  };
}
