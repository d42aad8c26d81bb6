package wasmq.spring;

import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.spring.annotation.MessageModel;
import org.apache.rocketmq.spring.annotation.RocketMQMessageListener;
import org.apache.rocketmq.spring.annotation.SelectorType;
import org.apache.rocketmq.spring.core.RocketMQTemplate;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.messaging.support.MessageBuilder;

/** Listeners by what they are given, and the template's receive. */
final class Consuming {
  static void filters(Scenario scenario) throws Exception {
    RocketMQTemplate template = scenario.template();
    // "Aa" and "BB" have one hash code in Java.
    String[] tags = {"Aa", "BB", "C"};
    for (int i = 0; i < 24; i++) {
      MessageBuilder<String> message = MessageBuilder.withPayload(String.format("m%02d", i)).setHeader("n", i);
      if (i % 2 == 0) message.setHeader("even", "yes");
      template.syncSend(scenario.name + ":" + tags[i % 3], message.build());
    }
    ConfigurableApplicationContext listening = scenario.listening(ByTags.class, BySql.class);
    Taking byTags = listening.getBean(ByTags.class);
    Taking bySql = listening.getBean(BySql.class);
    scenario.until("what the filters let through", () -> byTags.count() >= 16 && bySql.count() >= 11);
    scenario.told("came", "by", "tags", "bodies", byTags.bodies());
    scenario.told("came", "by", "sql", "bodies", bySql.bodies());
  }

  @RocketMQMessageListener(topic = "${name}", consumerGroup = "${name}-tags", selectorExpression = "Aa || C")
  static final class ByTags extends Taking {}

  @RocketMQMessageListener(topic = "${name}", consumerGroup = "${name}-sql", selectorType = SelectorType.SQL92,
      selectorExpression = "n BETWEEN 5 AND 15 AND even IS NOT NULL OR TAGS = 'C'")
  static final class BySql extends Taking {}

  /** Two members share a topic's queues, then one is left with them, then a third begins where they left. */
  static void group(Scenario scenario) throws Exception {
    RocketMQTemplate template = scenario.template();
    send(template, scenario.name, "before-", 20);
    ConfigurableApplicationContext one = scenario.listening(Member.class);
    Member first = one.getBean(Member.class);
    scenario.until("the messages before", () -> first.count() == 20);
    ConfigurableApplicationContext two = scenario.listening(Member.class);
    Member second = two.getBean(Member.class);
    for (int round = 0; second.count() == 0; round++) {
      if (round == 60) throw new IllegalStateException("the second member has no queues");
      send(template, scenario.name, "shared-" + round + "-", 20);
      Thread.sleep(1_000);
    }
    one.close();
    send(template, scenario.name, "left-", 20);
    scenario.until("all that is sent to the member that stayed", () -> {
      for (int i = 0; i < 20; i++) if (!second.has("left-" + i)) return false;
      return true;
    });
    two.close();
    send(template, scenario.name, "next-", 20);
    Member third = scenario.listening(Member.class).getBean(Member.class);
    scenario.until("the next messages", () -> third.count() >= 20);
    scenario.told("gone on", "bodies", third.bodies());
  }

  @RocketMQMessageListener(topic = "${name}", consumerGroup = "${name}")
  static final class Member extends Taking {}

  static void broadcasting(Scenario scenario) throws Exception {
    RocketMQTemplate template = scenario.template();
    template.syncSend(scenario.name, "m0");
    Everything[] members = new Everything[2];
    for (int i = 0; i < members.length; i++) {
      members[i] = scenario.application(Map.of("member", scenario.name + "-" + i), Everything.class)
          .getBean(Everything.class);
    }
    for (int i = 1; i < 8; i++) template.syncSend(scenario.name, "m" + i);
    for (int i = 0; i < members.length; i++) {
      Everything member = members[i];
      scenario.until("all messages", () -> member.count() == 8);
      scenario.told("came", "to", i, "bodies", member.bodies());
    }
  }

  @RocketMQMessageListener(topic = "${name}", consumerGroup = "${name}", messageModel = MessageModel.BROADCASTING)
  static final class Everything extends Taking {
    private final String member;

    Everything(@Value("${member}") String member) {
      this.member = member;
    }

    /** Broadcasting consumers of one process share its name and offsets unless told otherwise, and begin at the end. */
    @Override
    public void prepareStart(DefaultMQPushConsumer consumer) {
      super.prepareStart(consumer);
      consumer.setInstanceName(member);
      consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    }
  }

  /** Groups that are to begin at a time, whose offsets are the broker's or, broadcasting, their own. */
  static void consumeFrom(Scenario scenario) throws Exception {
    RocketMQTemplate template = scenario.template();
    send(template, scenario.name, "early", 4);
    // The time has whole seconds.
    Thread.sleep(2_000);
    String since = SECONDS.format(LocalDateTime.now());
    send(template, scenario.name, "late", 4);
    ConfigurableApplicationContext listening =
        scenario.application(Map.of("since", since), Since.class, OwnSince.class);
    Taking shared = listening.getBean(Since.class);
    Taking own = listening.getBean(OwnSince.class);
    scenario.until("the messages before", () -> shared.count() >= 8 && own.count() >= 4);
    send(template, scenario.name, "next", 4);
    scenario.until("the next messages", () -> shared.count() >= 12 && own.count() >= 8);
    scenario.told("came", "clustering", shared.bodies(), "broadcasting", own.bodies());
  }

  /** As setConsumeTimestamp has it. */
  private static final DateTimeFormatter SECONDS = DateTimeFormatter.ofPattern("yyyyMMddHHmmss");

  @RocketMQMessageListener(topic = "${name}", consumerGroup = "${name}")
  static final class Since extends BeginningAtTime {
    Since(@Value("${since}") String since) {
      super(since);
    }
  }

  @RocketMQMessageListener(topic = "${name}", consumerGroup = "${name}-own", messageModel = MessageModel.BROADCASTING)
  static final class OwnSince extends BeginningAtTime {
    OwnSince(@Value("${since}") String since) {
      super(since);
    }
  }

  private abstract static class BeginningAtTime extends Taking {
    private final String since;

    BeginningAtTime(String since) {
      this.since = since;
    }

    @Override
    public void prepareStart(DefaultMQPushConsumer consumer) {
      super.prepareStart(consumer);
      consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_TIMESTAMP);
      consumer.setConsumeTimestamp(since);
    }
  }

  /** The template's own consumer, by an expression and by a tag; then in another application, what has come since. */
  static void litePull(Scenario scenario) throws Exception {
    RocketMQTemplate sender = scenario.template();
    for (int i = 0; i < 8; i++) {
      sender.syncSend(scenario.name + (i % 2 == 0 ? ":A" : ":B"),
          MessageBuilder.withPayload("m" + i).setHeader("n", i).build());
    }
    ConfigurableApplicationContext bySql = pulling(scenario, scenario.name + "-sql", "SQL92", "n > 4");
    scenario.told("received", "by", "sql", "bodies", received(scenario, bySql, 3));
    ConfigurableApplicationContext one = pulling(scenario, scenario.name, "TAG", "A");
    scenario.told("received", "by", "tag", "bodies", received(scenario, one, 4));
    one.getBean(RocketMQTemplate.class).getConsumer().commit();
    one.close();
    send(sender, scenario.name + ":A", "late", 2);
    scenario.told("gone on", "bodies", received(scenario, pulling(scenario, scenario.name, "TAG", "A"), 2));
  }

  private static ConfigurableApplicationContext pulling(Scenario scenario, String group, String type, String selector) {
    return scenario.application(Map.of(
        "rocketmq.pull-consumer.group", group,
        "rocketmq.pull-consumer.topic", scenario.name,
        "rocketmq.pull-consumer.selector-type", type,
        "rocketmq.pull-consumer.selector-expression", selector));
  }

  private static Set<String> received(Scenario scenario, ConfigurableApplicationContext pulling, int count)
      throws Exception {
    RocketMQTemplate template = pulling.getBean(RocketMQTemplate.class);
    Set<String> bodies = new TreeSet<>();
    scenario.until("messages to receive", () -> {
      bodies.addAll(template.receive(String.class, 1_000));
      return bodies.size() >= count;
    });
    return bodies;
  }

  private static void send(RocketMQTemplate template, String destination, String prefix, int count) {
    for (int i = 0; i < count; i++) template.syncSend(destination, prefix + i);
  }

  private Consuming() {}
}
