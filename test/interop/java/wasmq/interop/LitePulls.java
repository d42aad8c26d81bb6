package wasmq.interop;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.store.ReadOffsetType;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** The lite pull consumer with queues assigned by hand, and with a share of its group's. */
final class LitePulls {
  private static final int COUNT = 20;

  static void play(Scenario scenario) throws Exception {
    send(scenario, "m");
    DefaultLitePullConsumer consumer = consumer(scenario, scenario.name);
    consumer.setAutoCommit(false);
    consumer.start();
    TreeSet<MessageQueue> queues = new TreeSet<>(consumer.fetchMessageQueues(scenario.name));
    scenario.told("queues").put("count", queues.size()).print();
    consumer.assign(queues);
    MessageQueue first = queues.first();
    // Before anything was asked for: a pull that is held at the end of a queue keeps the older client for 20 s.
    for (MessageQueue queue : queues) consumer.seekToBegin(queue);
    consumer.seek(first, 3);
    consumer.seekToEnd(queues.last());
    tell(scenario, "sought", poll(scenario, consumer, COUNT * 3 / 5));
    scenario.until(() -> {
      // What is read of the broker takes the place of what was to be committed.
      consumer.commitSync();
      consumer.getOffsetStore().persistAll(queues);
      return committed(consumer, first) == 5;
    }, "the commit");
    scenario.told("committed").put("offset", committed(consumer, first)).print();
    scenario.producer("PG2-" + scenario.name).send(scenario.message(scenario.name, "behind the end"), queues.last());
    tell(scenario, "from the end", poll(scenario, consumer, 1));
    scenario.told("by time").put("start", consumer.offsetForTimestamp(queues.last(), 0L))
        .put("end", consumer.offsetForTimestamp(queues.last(), System.currentTimeMillis() + 60_000)).print();
  }

  /** Two members, which subscribe by a tag: each message is had by one of them, and offsets are gone on from. */
  static void group(Scenario scenario) throws Exception {
    send(scenario, "m");
    Set<String> taken = new ConcurrentSkipListSet<>();
    Polling one = new Polling(scenario, taken);
    scenario.until(() -> taken.size() == COUNT / 2, "the tagged messages");
    Polling two = new Polling(scenario, taken);
    scenario.until(() -> one.queues() == 2 && two.queues() == 2, "half of the queues each");
    send(scenario, "both");
    scenario.until(() -> taken.size() == COUNT, "the messages of both");
    scenario.told("shared").put("taken", taken.size()).put("isOneWithout", String.valueOf(one.taken == 0 || two.taken == 0)).print();
    one.stop();
    scenario.until(() -> two.queues() == 4, "all queues");
    send(scenario, "left");
    scenario.until(() -> taken.size() == COUNT * 3 / 2, "the messages of the one left");
    two.stop();
    // Nothing of what was committed comes again.
    Polling three = new Polling(scenario, taken);
    scenario.until(() -> three.queues() == 4, "all queues again");
    send(scenario, "next");
    scenario.until(() -> taken.size() == COUNT * 2, "the next messages");
    scenario.told("gone on").put("taken", three.taken).print();
    three.stop();
  }

  private static final class Polling {
    volatile int taken = 0;
    private final DefaultLitePullConsumer consumer;
    private final String topic;
    private final AtomicBoolean stopping = new AtomicBoolean();
    private final Thread thread;

    Polling(Scenario scenario, Set<String> all) throws Exception {
      topic = scenario.name;
      consumer = consumer(scenario, scenario.name);
      consumer.subscribe(scenario.name, "TagA");
      consumer.setAutoCommitIntervalMillis(1_000);
      consumer.start();
      thread = new Thread(() -> {
        while (!stopping.get()) {
          List<MessageExt> messages = consumer.poll(100);
          taken += messages.size();
          all.addAll(Scenario.texts(messages));
        }
      });
      thread.start();
    }

    int queues() {
      int count = 0;
      // Its own topic's: assignment() is of 5.x alone.
      for (MessageQueue queue : Assigned.of(consumer)) if (queue.getTopic().equals(topic)) count++;
      return count;
    }

    void stop() throws Exception {
      stopping.set(true);
      thread.join();
      consumer.commitSync();
      consumer.shutdown();
    }
  }

  private static void send(Scenario scenario, String prefix) throws Exception {
    DefaultMQProducer producer = scenario.producer("PG-" + prefix + scenario.name);
    for (int i = 0; i < COUNT; i++) {
      Message message = scenario.message(scenario.name, prefix + i);
      message.setTags(i / 4 % 2 == 0 ? "TagA" : "TagB");
      // The last four are shared out as well.
      if (i >= 16) message.setTags(i % 2 == 0 ? "TagA" : "TagB");
      producer.send(message, (queues, m, key) -> queues.get((Integer) key % queues.size()), i);
    }
  }

  private static DefaultLitePullConsumer consumer(Scenario scenario, String group) {
    DefaultLitePullConsumer consumer = scenario.configure(new DefaultLitePullConsumer(group));
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    scenario.closeWith(consumer::shutdown);
    return consumer;
  }

  private static List<MessageExt> poll(Scenario scenario, DefaultLitePullConsumer consumer, int count) throws Exception {
    List<MessageExt> all = new ArrayList<>();
    scenario.until(() -> {
      all.addAll(consumer.poll(200));
      return all.size() >= count;
    }, count + " messages");
    return all;
  }

  private static long committed(DefaultLitePullConsumer consumer, MessageQueue queue) {
    return consumer.getOffsetStore().readOffset(queue, ReadOffsetType.READ_FROM_STORE);
  }

  private static void tell(Scenario scenario, String what, Collection<MessageExt> messages) {
    TreeSet<String> bodies = new TreeSet<>(Scenario.texts(new ArrayList<>(messages)));
    scenario.told(what).put("count", messages.size()).put("bodies", String.join(" ", bodies)).print();
  }

  private LitePulls() {}
}
