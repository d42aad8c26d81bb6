package wasmq.interop;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.selector.SelectMessageQueueByHash;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Sequences of messages, one of all (a topic of one queue) or one a sharding key, consumed by members that come and go. What is out of order is
 * told: a step that comes before the one ahead of it was consumed, or at two members at once.
 */
final class Ordered {
  private static final int KEYS = 6;

  static void play(Scenario scenario) throws Exception {
    DefaultMQProducer producer = scenario.producer("PG-" + scenario.name);
    // One queue: the order of all.
    producer.setDefaultTopicQueueNums(1);
    Sequence global = new Sequence(scenario, scenario.name + "-global", "global");
    for (int step = 0; step < 30; step++) producer.send(scenario.message(global.topic, "all " + step));
    global.join(0.2);
    global.untilSteps(30);
    global.tell();
    // One a key, on four queues, while members come and go.
    DefaultMQProducer sharding = scenario.producer("PG2-" + scenario.name);
    Sequence sharded = new Sequence(scenario, scenario.name, "sharded");
    send(scenario, sharding, sharded, 0, 10);
    DefaultMQPushConsumer first = sharded.join(0.2);
    sharded.untilSteps(KEYS * 10);
    DefaultMQPushConsumer second = sharded.join(0.2);
    scenario.until(() -> sharded.queues(first) == 2 && sharded.queues(second) == 2, "half of the queues each");
    send(scenario, sharding, sharded, 10, 30);
    sharded.untilSteps(KEYS * 20);
    first.shutdown();
    sharded.untilSteps(KEYS * 30);
    sharded.tell();
  }

  /** Goes on until it has had all that is sent; who plays it restarts the broker meanwhile, when "half" was told. */
  static void throughRestart(Scenario scenario) throws Exception {
    DefaultMQProducer producer = scenario.producer("PG-" + scenario.name);
    Sequence sequence = new Sequence(scenario, scenario.name, "through a restart");
    send(scenario, producer, sequence, 0, 10);
    sequence.join(0);
    sequence.join(0);
    sequence.untilSteps(KEYS * 5);
    scenario.told("half").print();
    send(scenario, producer, sequence, 10, 30);
    sequence.untilSteps(KEYS * 30);
    sequence.tell();
  }

  private static void send(Scenario scenario, DefaultMQProducer producer, Sequence sequence, int from, int to) throws Exception {
    for (int step = from; step < to; step++) {
      for (int key = 0; key < KEYS; key++) {
        // The order is the sender's: one that failed is sent again before the next.
        for (boolean isSent = false; !isSent; ) {
          try {
            producer.send(scenario.message(sequence.topic, "key" + key + " " + step), new SelectMessageQueueByHash(), "key" + key);
            isSent = true;
          } catch (Exception brokerAway) {
            Thread.sleep(100);
          }
        }
      }
    }
  }

  private static final class Sequence {
    final String topic;
    private final Scenario scenario;
    private final String what;
    private final Map<String, Integer> steps = new ConcurrentHashMap<>();
    private final Map<String, AtomicInteger> running = new ConcurrentHashMap<>();
    private final Set<String> disorder = new TreeSet<>();
    private final Map<DefaultMQPushConsumer, AtomicInteger> taken = new HashMap<>();
    private final AtomicInteger failures = new AtomicInteger();

    Sequence(Scenario scenario, String topic, String what) {
      this.scenario = scenario;
      this.topic = topic;
      this.what = what;
    }

    /** Another member. Of the steps it takes a share fails at first, and has to come again before those behind it. */
    DefaultMQPushConsumer join(double failing) throws Exception {
      DefaultMQPushConsumer consumer = scenario.consumer(topic);
      AtomicInteger mine = new AtomicInteger();
      taken.put(consumer, mine);
      consumer.subscribe(topic, "*");
      consumer.setSuspendCurrentQueueTimeMillis(50);
      consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
        mine.incrementAndGet();
        return take(messages, failing);
      });
      consumer.start();
      return consumer;
    }

    private ConsumeOrderlyStatus take(List<MessageExt> messages, double failing) {
      MessageExt message = messages.get(0);
      String[] words = Scenario.text(message).split(" ");
      AtomicInteger atOnce = running.computeIfAbsent(words[0], (key) -> new AtomicInteger());
      if (atOnce.incrementAndGet() > 1) tellDisorder(words[0] + " at two members at once");
      try {
        Thread.sleep(2);
        int step = Integer.parseInt(words[1]);
        int next = steps.getOrDefault(words[0], 0);
        // What was consumed may come again, as far as its offset was not committed: then all behind it does.
        if (step > next) tellDisorder(words[0] + " " + step + " before " + next);
        boolean fails = message.getReconsumeTimes() == 0 && step % 5 < failing * 5 && step == next;
        if (fails) {
          failures.incrementAndGet();
          return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
        }
        steps.put(words[0], step == next ? next + 1 : next);
        return ConsumeOrderlyStatus.SUCCESS;
      } catch (InterruptedException stopping) {
        return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
      } finally {
        atOnce.decrementAndGet();
      }
    }

    private void tellDisorder(String what) {
      synchronized (disorder) {
        disorder.add(what);
      }
    }

    int queues(DefaultMQPushConsumer consumer) {
      return (int) consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet().stream()
          .filter((queue) -> queue.getTopic().equals(topic)).count();
    }

    void untilSteps(int count) throws InterruptedException {
      scenario.until(() -> steps.values().stream().mapToInt(Integer::intValue).sum() >= count, count + " steps of " + topic);
    }

    void tell() {
      synchronized (disorder) {
        int idle = (int) taken.values().stream().filter((count) -> count.get() == 0).count();
        scenario.told(what).put("steps", steps.values().stream().mapToInt(Integer::intValue).sum()).put("keys", steps.size())
            .put("disorder", String.join("; ", disorder)).put("idleMembers", idle).put("failures", failures.get()).print();
      }
    }
  }

  private Ordered() {}
}
