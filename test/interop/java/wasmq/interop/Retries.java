package wasmq.interop;

import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;

/** Listeners that always fail: a "try" line each time, a "dead" line for the dead letter. */
final class Retries {
  /** As often as the broker lets them, and as the consumer does. */
  static void play(Scenario scenario) throws Exception {
    DefaultMQProducer producer = scenario.producer("PG-" + scenario.name);
    producer.send(scenario.message(scenario.name, "poison"));
    fail(scenario, "as the broker says", scenario.name, -1, 0);
    fail(scenario, "twice", scenario.name + "-twice", 2, 0);
    // A policy of its own group has no meaning to a push consumer's retries.
    fail(scenario, "with a policy", "Exponential-" + scenario.name, 2, 0);
    untilDead(scenario, scenario.name, scenario.name + "-twice", "Exponential-" + scenario.name);
  }

  static void deadAtOnce(Scenario scenario) throws Exception {
    DefaultMQProducer producer = scenario.producer("PG-" + scenario.name);
    producer.send(scenario.message(scenario.name, "poison"));
    fail(scenario, "never again", scenario.name, -1, -1);
    fail(scenario, "at level 2", scenario.name + "-level", 1, 2);
    untilDead(scenario, scenario.name, scenario.name + "-level");
  }

  static void orderly(Scenario scenario) throws Exception {
    DefaultMQProducer producer = scenario.producer("PG-" + scenario.name);
    producer.setDefaultTopicQueueNums(1);
    for (String body : new String[] {"poison", "behind"}) producer.send(scenario.message(scenario.name, body));
    DefaultMQPushConsumer consumer = scenario.consumer(scenario.name);
    consumer.subscribe(scenario.name, "*");
    consumer.setMaxReconsumeTimes(2);
    consumer.setSuspendCurrentQueueTimeMillis(100);
    AtomicInteger behind = new AtomicInteger();
    consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
      for (MessageExt message : messages) {
        scenario.told("try").put("who", "orderly").put("body", Scenario.text(message)).put("reconsumeTimes", message.getReconsumeTimes()).print();
      }
      if (Scenario.text(messages.get(0)).equals("poison")) return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
      behind.incrementAndGet();
      return ConsumeOrderlyStatus.SUCCESS;
    });
    consumer.start();
    untilDead(scenario, scenario.name);
    scenario.until(() -> behind.get() > 0, "the message behind");
  }

  private static void fail(Scenario scenario, String who, String group, int maxReconsumeTimes, int delayLevel) throws Exception {
    DefaultMQPushConsumer consumer = scenario.consumer(group);
    consumer.subscribe(scenario.name, "*");
    consumer.setMaxReconsumeTimes(maxReconsumeTimes);
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      MessageExt message = messages.get(0);
      scenario.told("try").put("who", who).put("reconsumeTimes", message.getReconsumeTimes()).put("topic", message.getTopic())
          .put("properties", message.getProperties()).print();
      context.setDelayLevelWhenNextConsume(delayLevel);
      return ConsumeConcurrentlyStatus.RECONSUME_LATER;
    });
    consumer.start();
  }

  private static void untilDead(Scenario scenario, String... groups) throws Exception {
    AtomicInteger dead = new AtomicInteger();
    DefaultMQPushConsumer undertaker = scenario.consumer("Undertaker-" + scenario.name);
    for (String group : groups) undertaker.subscribe("%DLQ%" + group, "*");
    undertaker.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      for (MessageExt letter : messages) {
        scenario.told("dead").put("topic", letter.getTopic()).put("body", Scenario.text(letter)).put("reconsumeTimes", letter.getReconsumeTimes())
            .put("properties", letter.getProperties()).print();
      }
      dead.addAndGet(messages.size());
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    undertaker.start();
    scenario.until(() -> dead.get() >= groups.length, "dead letters of " + List.of(groups));
  }

  private Retries() {}
}
