package wasmq.spring;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.spring.annotation.RocketMQMessageListener;
import org.apache.rocketmq.spring.core.RocketMQListener;
import org.apache.rocketmq.spring.core.RocketMQLocalRequestCallback;
import org.apache.rocketmq.spring.core.RocketMQReplyListener;
import org.apache.rocketmq.spring.core.RocketMQTemplate;
import org.apache.rocketmq.spring.support.RocketMQHeaders;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.messaging.Message;
import org.springframework.messaging.MessagingException;
import org.springframework.messaging.support.MessageBuilder;

/** The template's ways to send. */
final class Sending {
  private static final int MIB = 1024 * 1024;
  private static final long REPLY_MS = 30_000;
  /** Of a request that has to be sent within it, on a slow machine too. */
  private static final long UNHEARD_MS = 3_000;
  static final long SEND_MS = 30_000;

  /** A payload that goes as JSON. */
  static final class Order {
    public String id;
    public int count;

    static Order of(String id, int count) {
      Order order = new Order();
      order.id = id;
      order.count = count;
      return order;
    }
  }

  static void sends(Scenario scenario) throws Exception {
    RocketMQTemplate template = scenario.template();
    String topic = scenario.name;
    Message<String> full =
        MessageBuilder.withPayload("sync").setHeader(RocketMQHeaders.KEYS, "k1 k2").setHeader("p", "größer").build();
    toldSent(scenario, "sync", template.syncSend(topic + ":A", full));
    CompletableFuture<SendResult> answered = new CompletableFuture<>();
    template.asyncSend(topic, "async", completing(answered));
    toldSent(scenario, "async", answered.get(SEND_MS, TimeUnit.MILLISECONDS));
    template.sendOneWay(topic, "one-way");
    List<Message<String>> batch = List.of(message("batch-1"), message("batch-2"), message("batch-3"));
    toldSent(scenario, "batch", template.syncSend(topic + ":B", batch));
    // Compressed, as all of 4 KiB or more.
    template.syncSend(topic, "long".repeat(5_000));
    template.convertAndSend(topic + "-objects", Order.of("größer", 7));

    ConfigurableApplicationContext listening = scenario.listening(Telling.class, Objects.class);
    Telling messages = listening.getBean(Telling.class);
    Objects objects = listening.getBean(Objects.class);
    scenario.until("all messages", () -> messages.count() == 7 && objects.ids.size() == 1);
  }

  @RocketMQMessageListener(topic = "${name}", consumerGroup = "${name}")
  static final class Telling extends Taking {
    private final Scenario scenario;

    Telling(Scenario scenario) {
      this.scenario = scenario;
    }

    @Override
    void first(MessageExt message) {
      String body = text(message);
      scenario.told("came", "body", body.length() > 100 ? body.substring(0, 4) + " of " + body.length() : body,
          "tags", message.getTags(), "keys", message.getKeys(), "p", message.getProperty("p"),
          "msgId", message.getMsgId());
    }
  }

  @RocketMQMessageListener(topic = "${name}-objects", consumerGroup = "${name}-objects")
  static final class Objects implements RocketMQListener<Order>, Prompt {
    final Set<String> ids = new ConcurrentSkipListSet<>();
    private final Scenario scenario;

    Objects(Scenario scenario) {
      this.scenario = scenario;
    }

    @Override
    public void onMessage(Order order) {
      if (ids.add(order.id)) scenario.told("object", "id", order.id, "count", order.count);
    }
  }

  /**
   * Requests by a callback and a hash key, before there is a listener that replies and then. The other ways to request
   * end in the starter's rocketmq-client 5.3.2 when the request is sent, unless the reply was there before
   * (apache/rocketmq issue 9319).
   */
  static void requests(Scenario scenario) throws Exception {
    RocketMQTemplate template = scenario.template();
    CompletableFuture<String> unheard = new CompletableFuture<>();
    template.sendAndReceive(scenario.name, message("unheard"), new Text(unheard), "key", UNHEARD_MS, 0);
    scenario.until("the request to end", unheard::isDone);
    scenario.told("unheard", "isRefused", unheard.isCompletedExceptionally());
    // Listeners whose topics have no route yet look for one every 30 s.
    Orders nobody = new Orders(new CompletableFuture<>());
    template.sendAndReceive(scenario.name + "-objects", message(Order.of("early", 0)), nobody, "key", REPLY_MS, 0);
    scenario.listening(Replying.class, ReplyingObjects.class);
    for (String body : List.of("one", "two", "three")) {
      CompletableFuture<String> reply = new CompletableFuture<>();
      template.sendAndReceive(scenario.name, message(body), new Text(reply), body, REPLY_MS, 0);
      scenario.told("reply", "body", reply.get(REPLY_MS + 5_000, TimeUnit.MILLISECONDS));
    }
    CompletableFuture<Order> reply = new CompletableFuture<>();
    Message<Order> request = message(Order.of("o", 7));
    template.sendAndReceive(scenario.name + "-objects", request, new Orders(reply), "key", REPLY_MS, 0);
    Order order = reply.get(REPLY_MS + 5_000, TimeUnit.MILLISECONDS);
    scenario.told("object", "id", order.id, "count", order.count);
  }

  /** Requests that are waited for. */
  static void waitingRequests(Scenario scenario) throws Exception {
    RocketMQTemplate template = scenario.template();
    scenario.told("unheard", "isRefused",
        isRefused(() -> template.sendAndReceive(scenario.name, "unheard", String.class, UNHEARD_MS)));
    isRefused(() -> template.sendAndReceive(scenario.name + "-objects", Order.of("early", 0), Order.class, 1_000));
    scenario.listening(Replying.class, ReplyingObjects.class);
    for (String body : List.of("one", "two")) {
      scenario.told("reply", "body", template.sendAndReceive(scenario.name, body, String.class, REPLY_MS));
    }
    scenario.told("reply", "body", template.sendAndReceive(scenario.name, "three", String.class, "key", REPLY_MS));
    Order order = template.sendAndReceive(scenario.name + "-objects", Order.of("o", 7), Order.class, REPLY_MS);
    scenario.told("object", "id", order.id, "count", order.count);
  }

  private static boolean isRefused(Runnable request) {
    try {
      request.run();
      return false;
    } catch (MessagingException refused) {
      return true;
    }
  }

  /** The starter reads the type of a reply off the class of its callback. */
  private static final class Text implements RocketMQLocalRequestCallback<String> {
    private final CompletableFuture<String> reply;

    Text(CompletableFuture<String> reply) {
      this.reply = reply;
    }

    @Override
    public void onSuccess(String message) {
      reply.complete(message);
    }

    @Override
    public void onException(Throwable error) {
      reply.completeExceptionally(error);
    }
  }

  private static final class Orders implements RocketMQLocalRequestCallback<Order> {
    private final CompletableFuture<Order> reply;

    Orders(CompletableFuture<Order> reply) {
      this.reply = reply;
    }

    @Override
    public void onSuccess(Order message) {
      reply.complete(message);
    }

    @Override
    public void onException(Throwable error) {
      reply.completeExceptionally(error);
    }
  }

  @RocketMQMessageListener(topic = "${name}", consumerGroup = "${name}")
  static final class Replying implements RocketMQReplyListener<String, String>, Prompt {
    @Override
    public String onMessage(String request) {
      return request + "!";
    }
  }

  @RocketMQMessageListener(topic = "${name}-objects", consumerGroup = "${name}-objects")
  static final class ReplyingObjects implements RocketMQReplyListener<Order, Order>, Prompt {
    @Override
    public Order onMessage(Order request) {
      return Order.of(request.id + "!", request.count + 1);
    }
  }

  static void delays(Scenario scenario) throws Exception {
    RocketMQTemplate template = scenario.template();
    template.syncSend(scenario.name, "at once");
    Timed listener = scenario.listening(Timed.class).getBean(Timed.class);
    scenario.until("the message before", () -> listener.count() == 1);
    template.syncSend(scenario.name, message("level 1"), SEND_MS, 1);
    template.syncSend(scenario.name, message("level 2"), SEND_MS, 2);
    scenario.until("both delayed messages", () -> listener.count() == 3);
  }

  /** Times of delivery by the template's three methods: one that is past, one that is recalled, and one too far away. */
  static void timers(Scenario scenario) throws Exception {
    RocketMQTemplate template = scenario.template();
    template.syncSend(scenario.name, "at once");
    Timed listener = scenario.listening(Timed.class).getBean(Timed.class);
    scenario.until("the message before", () -> listener.count() == 1);
    template.syncSendDelayTimeSeconds(scenario.name, "seconds", 3);
    template.syncSendDelayTimeMills(scenario.name, "milliseconds", 1_500);
    long time = System.currentTimeMillis() + 2_500;
    scenario.told("time", "at", time);
    template.syncSendDeliverTimeMills(scenario.name, "time", time);
    template.syncSendDeliverTimeMills(scenario.name, "past", System.currentTimeMillis() - 10_000);
    SendResult sent = template.syncSendDelayTimeMills(scenario.name, "recalled", 3_500);
    String recalled = template.getProducer().recallMessage(scenario.name, sent.getRecallHandle());
    scenario.told("recalled", "isIt", recalled.equals(sent.getMsgId()));
    long farSeconds = TimeUnit.DAYS.toSeconds(3) + 60;
    attempt(scenario, "too far away", () -> template.syncSendDelayTimeSeconds(scenario.name, "far", farSeconds));
    template.syncSendDelayTimeMills(scenario.name, "behind", 5_000);
    scenario.until("all messages", () -> listener.has("behind") && listener.count() >= 6);
  }

  /** What the starter's own limits let through, and a broker's do not. */
  static void limits(Scenario scenario) {
    RocketMQTemplate template = scenario.application(Map.of(
        "rocketmq.producer.group", "Senders-" + scenario.name,
        "rocketmq.producer.max-message-size", 64 * MIB,
        "rocketmq.producer.compress-message-body-threshold", Integer.MAX_VALUE)).getBean(RocketMQTemplate.class);
    attempt(scenario, "a body of 3 MiB", () -> template.syncSend(scenario.name, new byte[3 * MIB]));
    attempt(scenario, "a body of 5 MiB", () -> template.syncSend(scenario.name, new byte[5 * MIB]));
    for (int kilobytes : new int[] {32, 33}) {
      Message<String> message = MessageBuilder.withPayload("p").setHeader("p", "x".repeat(kilobytes * 1_000)).build();
      attempt(scenario, "properties of " + kilobytes + " KB", () -> template.syncSend(scenario.name, message));
    }
  }

  private static void attempt(Scenario scenario, String what, Supplier<SendResult> send) {
    try {
      scenario.told("attempt", "to", what, "status", send.get().getSendStatus().name());
    } catch (MessagingException refused) {
      MQBrokerException cause = (MQBrokerException) refused.getCause();
      scenario.told("attempt", "to", what, "code", cause.getResponseCode(), "message", cause.getErrorMessage());
    }
  }

  /** What the template's producer finds of sent messages: by their key, and by both of their ids. */
  static void queries(Scenario scenario) throws Exception {
    RocketMQTemplate template = scenario.template();
    List<SendResult> sent = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      String keys = i % 2 == 0 ? "even all" : "odd all";
      sent.add(template.syncSend(scenario.name,
          MessageBuilder.withPayload("m" + i).setHeader(RocketMQHeaders.KEYS, keys).build()));
    }
    for (String key : List.of("even", "odd", "all")) {
      List<String> bodies = new ArrayList<>();
      // A broker indexes what it stores a little later.
      scenario.until("messages by " + key, () -> {
        bodies.clear();
        bodies.addAll(find(template, scenario.name, key));
        return bodies.size() >= (key.equals("all") ? 4 : 2);
      });
      scenario.told("found", "by", key, "bodies", bodies);
    }
    DefaultMQProducer producer = template.getProducer();
    MessageExt byKey = producer.viewMessage(scenario.name, sent.get(2).getMsgId());
    MessageExt byPlace = producer.viewMessage(scenario.name, sent.get(3).getOffsetMsgId());
    scenario.told("viewed", "by", "msgId", "body", Taking.text(byKey));
    scenario.told("viewed", "by", "offsetMsgId", "body", Taking.text(byPlace));
  }

  private static List<String> find(RocketMQTemplate template, String topic, String key) {
    try {
      long end = System.currentTimeMillis() + 60_000;
      return template.getProducer().queryMessage(topic, key, 32, 0, end).getMessageList().stream()
          .map(Taking::text)
          .sorted()
          .collect(Collectors.toList());
    } catch (MQClientException none) {
      return List.of();
    } catch (InterruptedException error) {
      throw new IllegalStateException(error);
    }
  }

  @RocketMQMessageListener(topic = "${name}", consumerGroup = "${name}")
  static final class Timed extends Taking {
    private final Scenario scenario;

    Timed(Scenario scenario) {
      this.scenario = scenario;
    }

    @Override
    void first(MessageExt message) {
      scenario.told("came", "body", text(message), "topic", message.getTopic(), "level", message.getProperty("DELAY"),
          "storedAt", message.getStoreTimestamp(), "afterMs", message.getStoreTimestamp() - message.getBornTimestamp());
    }
  }

  static <T> Message<T> message(T body) {
    return MessageBuilder.withPayload(body).build();
  }

  private static void toldSent(Scenario scenario, String how, SendResult result) {
    scenario.told("sent", "how", how, "status", result.getSendStatus().name(), "msgId", result.getMsgId(),
        "offsetMsgId", result.getOffsetMsgId());
  }

  static SendCallback completing(CompletableFuture<SendResult> answered) {
    return new SendCallback() {
      @Override
      public void onSuccess(SendResult result) {
        answered.complete(result);
      }

      @Override
      public void onException(Throwable error) {
        answered.completeExceptionally(error);
      }
    };
  }

  private Sending() {}
}
