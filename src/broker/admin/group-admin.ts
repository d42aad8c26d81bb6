import { groupConfigCharsMax } from "../../limits.ts";
import { WasmqError } from "../../ports/error.ts";
import { type AttributeChanges, changedAttributes } from "../attributes.ts";
import { checkGroupName } from "../names.ts";
import type { ConsumerOffsets } from "../offset/consumer-offsets.ts";
import type { BrokerStats } from "../stats/broker-stats.ts";
import { groupAttributes } from "../subscription-group/group-attributes.ts";
import type { SubscriptionGroupConfig, SubscriptionGroups } from "../subscription-group/subscription-groups.ts";

/** A group as an administrator wants it; its attributes are changes to those it has. */
export interface GroupWish extends Omit<SubscriptionGroupConfig, "attributes"> {
  readonly groupName: string;
  readonly attributes: AttributeChanges;
}

/** Makes, changes and deletes consumer groups for administrators (AdminBrokerProcessor, SubscriptionGroupManager). */
export class GroupAdmin {
  readonly #groups: SubscriptionGroups;
  readonly #offsets: ConsumerOffsets;
  readonly #stats: BrokerStats;

  constructor(groups: SubscriptionGroups, offsets: ConsumerOffsets, stats: BrokerStats) {
    this.#groups = groups;
    this.#offsets = offsets;
    this.#stats = stats;
  }

  /**
   * Ends when subscriptionGroup.json has the groups as they are wanted. Rejects, before any is changed, with INVALID_PARAMETER for a
   * name that can be none and SYSTEM_ERROR for attributes; with SYSTEM_ERROR if it can't be kept.
   */
  async update(wishes: readonly GroupWish[]): Promise<void> {
    for (const { groupName } of wishes) checkGroupName(groupName);
    const wanted = wishes.map(({ attributes, ...wish }): SubscriptionGroupConfig => {
      const known = this.#groups.find(wish.groupName);
      return {
        ...wish,
        groupName: wish.groupName,
        attributes: changedAttributes(groupAttributes, known?.attributes, attributes),
      } as SubscriptionGroupConfig;
    });
    for (const config of wanted) {
      const chars = JSON.stringify(config).length;
      if (chars > groupConfigCharsMax) {
        throw new WasmqError("INVALID_PARAMETER", `a group of ${chars} characters: allowed are ${groupConfigCharsMax}`);
      }
    }
    await Promise.all(wanted.map((config) => this.#groups.put(config)));
  }

  /** Ends when the group is gone, with its offsets if those are meant too. A member that is online makes it again. */
  async delete(group: string, withOffsets: boolean): Promise<void> {
    const deleted = this.#groups.delete(group);
    if (withOffsets) this.#offsets.forgetGroup(group);
    this.#stats.groupDeleted(group);
    await deleted;
  }
}
