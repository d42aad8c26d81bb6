package wasmq.interop;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.trace.TraceBean;
import org.apache.rocketmq.client.trace.TraceContext;
import org.apache.rocketmq.client.trace.TraceDataEncoder;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** A producer and a consumer that trace what they do, and a look at a message's trace as queryMsgTraceById has it: by its id, in the trace topic. */
final class Traces {
  private static final String TRACE_TOPIC = "RMQ_SYS_TRACE_TOPIC";
  private static final long DAY_MS = 24 * 60 * 60 * 1000;

  static void play(Scenario scenario) throws Exception {
    DefaultMQProducer producer = scenario.started(new DefaultMQProducer("Traced-" + scenario.name, true, null));
    Message message = new Message(scenario.name, "TagA", "key-" + scenario.name, "traced".getBytes(StandardCharsets.UTF_8));
    SendResult sent = producer.send(message);
    AtomicInteger consumed = new AtomicInteger();
    DefaultMQPushConsumer consumer = scenario.configured(new DefaultMQPushConsumer(scenario.name, true, null));
    consumer.subscribe(scenario.name, "*");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      consumed.addAndGet(messages.size());
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    scenario.until(() -> consumed.get() > 0, "the message");
    for (String key : new String[] {sent.getMsgId(), "key-" + scenario.name}) {
      TreeSet<String> kinds = new TreeSet<>();
      scenario.until(() -> kindsOf(producer, key, sent.getMsgId(), kinds).size() >= 3, "the trace of " + key);
      scenario.told("found").put("by", key.equals(sent.getMsgId()) ? "id" : "key").put("kinds", String.join(" ", kinds)).print();
    }
    for (MessageExt trace : find(producer, sent.getMsgId())) {
      for (TraceContext context : TraceDataEncoder.decoderFromTraceDataString(Scenario.text(trace))) {
        for (TraceBean bean : context.getTraceBeans()) {
          if (!sent.getMsgId().equals(bean.getMsgId())) continue;
          scenario.told(context.getTraceType().name()).put("group", context.getGroupName()).put("region", context.getRegionId())
              .put("topic", bean.getTopic()).put("keys", bean.getKeys()).put("tags", bean.getTags()).put("success", String.valueOf(context.isSuccess()))
              .put("isOffsetMsgId", String.valueOf(sent.getOffsetMsgId().equals(bean.getOffsetMsgId()))).print();
        }
      }
    }
  }

  private static TreeSet<String> kindsOf(DefaultMQProducer producer, String key, String msgId, TreeSet<String> kinds) {
    try {
      for (MessageExt trace : find(producer, key)) {
        for (TraceContext context : TraceDataEncoder.decoderFromTraceDataString(Scenario.text(trace))) {
          if (context.getTraceBeans().get(0).getMsgId().equals(msgId)) kinds.add(context.getTraceType().name());
        }
      }
    } catch (Exception error) {
      throw new IllegalStateException(error);
    }
    return kinds;
  }

  private static List<MessageExt> find(DefaultMQProducer producer, String key) throws Exception {
    try {
      return producer.queryMessage(TRACE_TOPIC, key, 64, 0, System.currentTimeMillis() + DAY_MS).getMessageList();
    } catch (MQClientException notYet) {
      return List.of();
    }
  }

  private Traces() {}
}
