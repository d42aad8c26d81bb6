package wasmq.interop;

import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Requests by every way there is, a consumer that replies to them, requests that nobody replies to, and replies to nobody. */
final class RequestReply {
  private static final long REPLY_MS = 30_000;
  private static final int LARGE_BYTES = 100_000;

  static void play(Scenario scenario) throws Exception {
    String topic = scenario.name;
    DefaultMQProducer asker = scenario.producer("Askers-" + scenario.name);
    DefaultMQProducer replier = scenario.producer("Repliers-" + scenario.name);
    AtomicReference<MessageExt> unheard = new AtomicReference<>();
    AtomicBoolean isListening = new AtomicBoolean();
    // So that the consumer has queues at once.
    asker.send(scenario.message(topic, "no request"));
    DefaultMQPushConsumer consumer = scenario.consumer(scenario.name);
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      isListening.set(true);
      for (MessageExt request : messages) answer(scenario, replier, request, unheard);
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    scenario.until(() -> isListening.get(), "the consumer's first message");
    // A broker knows whom to reply to by its first heartbeat, which may come after its first request.
    scenario.until(() -> isHeard(asker, scenario.message(topic, "ready")), "the first reply");

    tell(scenario, "sync", asker.request(scenario.message(topic, "sync"), REPLY_MS));
    tell(scenario, "selected", asker.request(scenario.message(topic, "selected"), (queues, message, key) -> queues.get(0), "key", REPLY_MS));
    tell(scenario, "queue", asker.request(scenario.message(topic, "queue"), asker.fetchPublishMessageQueues(topic).get(1), REPLY_MS));
    tell(scenario, "large", asker.request(scenario.message(topic, "large"), REPLY_MS));
    CountDownLatch called = new CountDownLatch(1);
    asker.request(scenario.message(topic, "async"), new RequestCallback() {
      @Override
      public void onSuccess(Message reply) {
        tell(scenario, "async", reply);
        called.countDown();
      }

      @Override
      public void onException(Throwable error) {
        scenario.told("async").error(error).print();
        called.countDown();
      }
    }, REPLY_MS);
    called.await();
    try {
      tell(scenario, "unheard", asker.request(scenario.message(topic, "unheard"), 2_000));
    } catch (Exception error) {
      scenario.told("unheard").error(error).print();
    }
    scenario.until(() -> unheard.get() != null, "the unheard request");
    // Too late, but who asked is there.
    reply(scenario, replier, "late", unheard.get());
    asker.shutdown();
    // The broker hears of it by the end of the connection, sooner or later.
    scenario.until(() -> isRefused(replier, unheard.get()), "the asker to be gone");
    reply(scenario, replier, "gone", unheard.get());
    unheard.get().getProperties().remove("REPLY_TO_CLIENT");
    reply(scenario, replier, "to nobody", unheard.get());
  }

  private static void answer(Scenario scenario, DefaultMQProducer replier, MessageExt request, AtomicReference<MessageExt> unheard) {
    String text = Scenario.text(request);
    if (text.equals("no request")) return;
    if (text.equals("unheard")) {
      unheard.set(request);
      return;
    }
    if (text.equals("ready")) {
      try {
        replier.send(MessageUtil.createReplyMessage(request, new byte[] {1}));
      } catch (Exception refused) {
        // It is asked again.
      }
      return;
    }
    try {
      byte[] body = text.equals("large") ? new byte[LARGE_BYTES] : (text + "!").getBytes(StandardCharsets.UTF_8);
      SendResult sent = replier.send(MessageUtil.createReplyMessage(request, body));
      scenario.told("replied").put("to", text).put("status", sent.getSendStatus().name()).put("topic", sent.getMessageQueue().getTopic())
          .put("offsetMsgId", sent.getOffsetMsgId()).print();
    } catch (Exception error) {
      scenario.told("replied").put("to", text).error(error).print();
    }
  }

  private static void reply(Scenario scenario, DefaultMQProducer replier, String what, MessageExt request) throws Exception {
    try {
      SendResult sent = replier.send(MessageUtil.createReplyMessage(request, what.getBytes(StandardCharsets.UTF_8)));
      scenario.told(what).put("status", sent.getSendStatus().name()).print();
    } catch (Exception error) {
      // The client says how often it tried; what the broker answered is behind it.
      scenario.told(what).error(error).put("cause", String.valueOf(error.getCause())).print();
    }
  }

  private static boolean isHeard(DefaultMQProducer asker, Message ready) {
    try {
      asker.request(ready, 1_000);
      return true;
    } catch (Exception unheard) {
      return false;
    }
  }

  private static boolean isRefused(DefaultMQProducer replier, MessageExt request) {
    try {
      replier.send(MessageUtil.createReplyMessage(request, new byte[] {1}));
      return false;
    } catch (Exception refused) {
      return true;
    }
  }

  private static void tell(Scenario scenario, String what, Message reply) {
    scenario.told(what).put("topic", reply.getTopic()).put("flag", reply.getFlag()).put("properties", reply.getProperties()).body(reply.getBody()).print();
  }

  private RequestReply() {}
}
