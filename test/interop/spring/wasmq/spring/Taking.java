package wasmq.spring;

import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListSet;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.spring.core.RocketMQListener;

/** A listener that remembers the bodies of what it was given; what that is the annotations of its subclasses say. */
abstract class Taking implements RocketMQListener<MessageExt>, Prompt {
  private final Set<String> bodies = new ConcurrentSkipListSet<>();

  @Override
  public void onMessage(MessageExt message) {
    if (bodies.add(text(message))) first(message);
  }

  /** Told of each message once. */
  void first(MessageExt message) {}

  int count() {
    return bodies.size();
  }

  boolean has(String body) {
    return bodies.contains(body);
  }

  /** In alphabetical order, with spaces between. */
  String bodies() {
    return String.join(" ", bodies);
  }

  static String text(MessageExt message) {
    return new String(message.getBody(), StandardCharsets.UTF_8);
  }
}
