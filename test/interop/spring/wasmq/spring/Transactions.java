package wasmq.spring;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListSet;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.spring.annotation.RocketMQMessageListener;
import org.apache.rocketmq.spring.annotation.RocketMQTransactionListener;
import org.apache.rocketmq.spring.core.RocketMQLocalTransactionListener;
import org.apache.rocketmq.spring.core.RocketMQLocalTransactionState;
import org.apache.rocketmq.spring.core.RocketMQTemplate;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.messaging.Message;

/** Transactions that end as they were begun to, or by what is answered when a broker asks. */
final class Transactions {
  static void play(Scenario scenario) throws Exception {
    RocketMQTemplate plain = scenario.template();
    plain.syncSend(scenario.name, "before");
    ConfigurableApplicationContext transacting = scenario.application(
        Map.of("rocketmq.producer.group", "Transacting-" + scenario.name), Answering.class);
    RocketMQTemplate template = transacting.getBean(RocketMQTemplate.class);
    Answering answers = transacting.getBean(Answering.class);
    begin(scenario, template, "committed", RocketMQLocalTransactionState.COMMIT);
    begin(scenario, template, "rolled back", RocketMQLocalTransactionState.ROLLBACK);
    begin(scenario, template, "asked, committed", RocketMQLocalTransactionState.UNKNOWN);
    begin(scenario, template, "asked, rolled back", RocketMQLocalTransactionState.UNKNOWN);

    Committed listener = scenario.listening(Committed.class).getBean(Committed.class);
    long[] last = {System.currentTimeMillis()};
    scenario.until("both questions", () -> {
      // Apache's broker may not ask, where others of a batch have ended, before it reads of one that ended later.
      if (System.currentTimeMillis() - last[0] > 1_000) {
        last[0] = System.currentTimeMillis();
        Message<String> other = Sending.message("other");
        template.sendMessageInTransaction(scenario.name + "-others", other, RocketMQLocalTransactionState.COMMIT);
      }
      return answers.asked.size() == 2;
    });
    scenario.until("what was committed", () -> listener.has("committed") && listener.has("asked, committed"));
    plain.syncSend(scenario.name, "behind");
    scenario.until("the message behind", () -> listener.has("behind"));
    scenario.told("came", "bodies", listener.bodies());
  }

  private static void begin(
      Scenario scenario, RocketMQTemplate template, String body, RocketMQLocalTransactionState state) {
    TransactionSendResult result =
        template.sendMessageInTransaction(scenario.name + ":T", Sending.message(body), state);
    scenario.told("begun", "body", body, "status", result.getSendStatus().name(),
        "state", result.getLocalTransactionState().name());
  }

  @RocketMQTransactionListener
  static final class Answering implements RocketMQLocalTransactionListener {
    final Set<String> asked = new ConcurrentSkipListSet<>();
    private final Scenario scenario;

    Answering(Scenario scenario) {
      this.scenario = scenario;
    }

    @Override
    public RocketMQLocalTransactionState executeLocalTransaction(Message begun, Object state) {
      return (RocketMQLocalTransactionState) state;
    }

    @Override
    public RocketMQLocalTransactionState checkLocalTransaction(Message message) {
      String body = new String((byte[]) message.getPayload(), StandardCharsets.UTF_8);
      if (asked.add(body)) {
        scenario.told("asked", "about", body, "topic", message.getHeaders().get("rocketmq_TOPIC"),
            "tags", message.getHeaders().get("rocketmq_TAGS"));
      }
      return body.equals("asked, committed")
          ? RocketMQLocalTransactionState.COMMIT
          : RocketMQLocalTransactionState.ROLLBACK;
    }
  }

  @RocketMQMessageListener(topic = "${name}", consumerGroup = "${name}")
  static final class Committed extends Taking {}

  private Transactions() {}
}
