package wasmq.spring;

import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.trace.TraceBean;
import org.apache.rocketmq.client.trace.TraceContext;
import org.apache.rocketmq.client.trace.TraceDataEncoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.spring.annotation.RocketMQMessageListener;
import org.apache.rocketmq.spring.core.RocketMQTemplate;
import org.apache.rocketmq.spring.support.RocketMQHeaders;
import org.springframework.messaging.support.MessageBuilder;

/** A template and a listener that trace what they do, and what is found by the message's id in the trace topic. */
final class Traces {
  private static final String TRACE_TOPIC = "RMQ_SYS_TRACE_TOPIC";
  private static final long DAY_MS = 24 * 60 * 60 * 1000;

  static void play(Scenario scenario) throws Exception {
    Map<String, Object> settings = Map.of(
        "rocketmq.producer.group", "Senders-" + scenario.name,
        "rocketmq.producer.enable-msg-trace", true);
    RocketMQTemplate template = scenario.application(settings).getBean(RocketMQTemplate.class);
    SendResult sent = template.syncSend(scenario.name + ":T",
        MessageBuilder.withPayload("traced").setHeader(RocketMQHeaders.KEYS, "key-" + scenario.name).build());
    Traced listener = scenario.listening(Traced.class).getBean(Traced.class);
    scenario.until("the message", () -> listener.has("traced"));
    Map<String, TraceContext> found = new TreeMap<>();
    scenario.until("the trace", () -> {
      found.putAll(find(template.getProducer(), sent.getMsgId()));
      return found.size() >= 3;
    });
    found.forEach((kind, context) -> {
      TraceBean bean = context.getTraceBeans().get(0);
      scenario.told("traced", "kind", kind, "group", context.getGroupName(), "topic", bean.getTopic(),
          "tags", bean.getTags(), "keys", bean.getKeys(), "isSuccess", context.isSuccess(), "msgId", bean.getMsgId());
    });
    scenario.told("sent", "msgId", sent.getMsgId());
  }

  private static Map<String, TraceContext> find(DefaultMQProducer producer, String msgId) {
    Map<String, TraceContext> found = new TreeMap<>();
    try {
      long end = System.currentTimeMillis() + DAY_MS;
      for (MessageExt trace : producer.queryMessage(TRACE_TOPIC, msgId, 64, 0, end).getMessageList()) {
        for (TraceContext context : TraceDataEncoder.decoderFromTraceDataString(Taking.text(trace))) {
          TraceBean bean = context.getTraceBeans().get(0);
          if (bean.getMsgId().equals(msgId)) found.put(context.getTraceType().name(), context);
        }
      }
    } catch (MQClientException notYet) {
      // Traces are sent some time after what they are about.
    } catch (InterruptedException error) {
      throw new IllegalStateException(error);
    }
    return found;
  }

  @RocketMQMessageListener(topic = "${name}", consumerGroup = "${name}", enableMsgTrace = true)
  static final class Traced extends Taking {}

  private Traces() {}
}
