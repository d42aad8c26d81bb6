package wasmq.spring;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.spring.annotation.ConsumeMode;
import org.apache.rocketmq.spring.annotation.RocketMQMessageListener;
import org.apache.rocketmq.spring.core.RocketMQListener;
import org.apache.rocketmq.spring.core.RocketMQTemplate;
import org.springframework.messaging.Message;

/** Sends by hash key, one by one and in batches, to an orderly listener, which fails now and then. */
final class Ordered {
  private static final int KEYS = 6;
  private static final int STEPS = 20;
  /** Those sent one by one; the others are a key's batch. */
  private static final int SINGLE_STEPS = 15;

  static void play(Scenario scenario) throws Exception {
    RocketMQTemplate template = scenario.template();
    List<Set<Integer>> queues = new ArrayList<>();
    for (int key = 0; key < KEYS; key++) queues.add(new HashSet<>());
    for (int step = 0; step < SINGLE_STEPS; step++) {
      for (int key = 0; key < KEYS; key++) {
        String body = key + " " + step;
        SendResult sent = step % 2 == 0
            ? template.syncSendOrderly(scenario.name, body, "key-" + key)
            : asyncSend(template, scenario.name, body, "key-" + key);
        queues.get(key).add(sent.getMessageQueue().getQueueId());
      }
    }
    for (int key = 0; key < KEYS; key++) {
      List<Message<String>> batch = new ArrayList<>();
      for (int step = SINGLE_STEPS; step < STEPS; step++) batch.add(Sending.message(key + " " + step));
      queues.get(key).add(template.syncSendOrderly(scenario.name, batch, "key-" + key).getMessageQueue().getQueueId());
    }
    InOrder listener = scenario.listening(InOrder.class).getBean(InOrder.class);
    scenario.until("all steps", () -> listener.steps() == KEYS * STEPS);
    scenario.told("order", "disorder", listener.disorder, "failures", listener.failures.size(),
        "queuesOfAKeyMax", queues.stream().mapToInt(Set::size).max().getAsInt(),
        "queues", queues.stream().flatMap(Set::stream).distinct().count());
  }

  private static SendResult asyncSend(RocketMQTemplate template, String topic, String body, String key)
      throws Exception {
    CompletableFuture<SendResult> answered = new CompletableFuture<>();
    template.asyncSendOrderly(topic, body, key, Sending.completing(answered));
    return answered.get(Sending.SEND_MS, TimeUnit.MILLISECONDS);
  }

  @RocketMQMessageListener(topic = "${name}", consumerGroup = "${name}", consumeMode = ConsumeMode.ORDERLY,
      suspendCurrentQueueTimeMillis = 100)
  static final class InOrder implements RocketMQListener<String>, Prompt {
    final List<String> disorder = new ArrayList<>();
    final Set<String> failures = new HashSet<>();
    private final int[] next = new int[KEYS];

    @Override
    public synchronized void onMessage(String body) {
      int key = Integer.parseInt(body.split(" ")[0]);
      int step = Integer.parseInt(body.split(" ")[1]);
      if (step > next[key]) disorder.add(body + " before " + next[key]);
      if (step != next[key]) return;
      if (step % 7 == 3 && failures.add(body)) throw new IllegalStateException("to be tried again: " + body);
      next[key]++;
    }

    synchronized int steps() {
      int sum = 0;
      for (int of : next) sum += of;
      return sum;
    }
  }

  private Ordered() {}
}
