package wasmq.spring;

import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.spring.core.RocketMQPushConsumerLifecycleListener;

/** A listener whose consumer tells a broker and asks a name server each second. */
interface Prompt extends RocketMQPushConsumerLifecycleListener {
  int TIMEOUT_MS = 30_000;

  /**
   * The heartbeat behind a rebalance is left out while another one is under way, as the first one often is; until the
   * next, after 30 s, any broker refuses the consumer's pulls (SUBSCRIPTION_NOT_LATEST).
   */
  @Override
  default void prepareStart(DefaultMQPushConsumer consumer) {
    consumer.setHeartbeatBrokerInterval(1_000);
    consumer.setPollNameServerInterval(1_000);
    consumer.setMqClientApiTimeout(TIMEOUT_MS);
    // After the second that the starter gives them it commits without the listeners that run: the group's next member has their messages again.
    consumer.setAwaitTerminationMillisWhenShutdown(TIMEOUT_MS);
  }
}
