package wasmq.spring;

import java.util.Set;
import java.util.concurrent.ConcurrentSkipListSet;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.spring.annotation.RocketMQMessageListener;
import org.apache.rocketmq.spring.core.RocketMQListener;
import org.apache.rocketmq.spring.core.RocketMQTemplate;
import org.apache.rocketmq.spring.support.RocketMQHeaders;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.messaging.support.MessageBuilder;

/** Listeners that throw on a message until it is among the dead letters, which others read. */
final class Retries {
  static void play(Scenario scenario) throws Exception {
    RocketMQTemplate template = scenario.template();
    template.syncSend(scenario.name + ":T",
        MessageBuilder.withPayload("poison").setHeader(RocketMQHeaders.KEYS, "k").build());
    template.syncSend(scenario.name, "fine");
    ConfigurableApplicationContext listening =
        scenario.listening(Failing.class, Dead.class, Hopeless.class, DeadAtOnce.class);
    Dead dead = listening.getBean(Dead.class);
    DeadAtOnce deadAtOnce = listening.getBean(DeadAtOnce.class);
    scenario.until("the dead letters", () -> dead.has("poison") && deadAtOnce.has("poison"));
    scenario.told("tries", "count", listening.getBean(Failing.class).tries.size(),
        "ofTheHopeless", listening.getBean(Hopeless.class).tries.size());
  }

  @RocketMQMessageListener(topic = "${name}", consumerGroup = "${name}", maxReconsumeTimes = 2)
  static final class Failing extends Trying {
    Failing(Scenario scenario) {
      super(scenario);
    }
  }

  /** Below 0 there is no other try. */
  @RocketMQMessageListener(topic = "${name}", consumerGroup = "${name}-hopeless", delayLevelWhenNextConsume = -1)
  static final class Hopeless extends Trying {
    Hopeless(Scenario scenario) {
      super(scenario);
    }
  }

  private abstract static class Trying implements RocketMQListener<MessageExt>, Prompt {
    final Set<Integer> tries = new ConcurrentSkipListSet<>();
    private final Scenario scenario;

    Trying(Scenario scenario) {
      this.scenario = scenario;
    }

    @Override
    public void onMessage(MessageExt message) {
      if (Taking.text(message).equals("fine")) return;
      if (tries.add(message.getReconsumeTimes())) {
        scenario.told("try", "by", getClass().getSimpleName(), "times", message.getReconsumeTimes(),
            "topic", message.getTopic(), "tags", message.getTags());
      }
      throw new IllegalStateException("not with me");
    }
  }

  @RocketMQMessageListener(topic = "%DLQ%${name}", consumerGroup = "${name}-dead")
  static final class Dead extends Reading {
    Dead(Scenario scenario) {
      super(scenario);
    }
  }

  @RocketMQMessageListener(topic = "%DLQ%${name}-hopeless", consumerGroup = "${name}-dead-at-once")
  static final class DeadAtOnce extends Reading {
    DeadAtOnce(Scenario scenario) {
      super(scenario);
    }
  }

  private abstract static class Reading extends Taking {
    private final Scenario scenario;

    Reading(Scenario scenario) {
      this.scenario = scenario;
    }

    @Override
    void first(MessageExt message) {
      scenario.told("dead", "body", text(message), "topic", message.getTopic(), "tags", message.getTags(),
          "keys", message.getKeys());
    }
  }

  private Retries() {}
}
