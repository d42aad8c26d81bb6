package wasmq.interop;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * One JSON object on one line of standard output: all that these programs tell the test. It is written with one write(2), so
 * a line is whole or absent even when the process is killed.
 */
final class Line {
  private static final int SHOWN_BODY_BYTES_MAX = 256;
  private static final FileOutputStream OUT = new FileOutputStream(FileDescriptor.out);

  private final StringBuilder json = new StringBuilder("{");

  Line(String event) {
    put("event", event);
  }

  Line put(String name, String value) {
    key(name);
    if (value == null) json.append("null");
    else quote(value);
    return this;
  }

  Line put(String name, long value) {
    key(name);
    json.append(value);
    return this;
  }

  Line put(String name, Map<String, String> value) {
    key(name);
    json.append('{');
    boolean first = true;
    for (Map.Entry<String, String> entry : new TreeMap<>(value).entrySet()) {
      if (!first) json.append(',');
      first = false;
      quote(entry.getKey());
      json.append(':');
      quote(entry.getValue());
    }
    json.append('}');
    return this;
  }

  Line putNumbers(String name, Map<Integer, Long> value) {
    key(name);
    json.append('{');
    boolean first = true;
    for (Map.Entry<Integer, Long> entry : new TreeMap<>(value).entrySet()) {
      if (!first) json.append(',');
      first = false;
      json.append('"').append(entry.getKey()).append("\":").append(entry.getValue());
    }
    json.append('}');
    return this;
  }

  Line error(Throwable error) {
    return put("error", error.getClass().getSimpleName()).put("code", codeOf(error)).put("message", String.valueOf(error.getMessage()));
  }

  static int codeOf(Throwable error) {
    if (error instanceof MQBrokerException) return ((MQBrokerException) error).getResponseCode();
    return error instanceof MQClientException ? ((MQClientException) error).getResponseCode() : 0;
  }

  Line body(byte[] body) {
    put("bodyBytes", body.length).put("bodySha256", sha256(body));
    if (body.length <= SHOWN_BODY_BYTES_MAX) put("body", new String(body, StandardCharsets.UTF_8));
    return this;
  }

  Line message(MessageExt message) {
    return put("topic", message.getTopic())
        .put("queueId", message.getQueueId())
        .put("queueOffset", message.getQueueOffset())
        .put("msgId", message.getMsgId())
        .put("tags", message.getTags())
        .put("keys", message.getKeys())
        .put("reconsumeTimes", message.getReconsumeTimes())
        .put("flag", message.getFlag())
        .put("bornTimestamp", message.getBornTimestamp())
        .put("storeTimestamp", message.getStoreTimestamp())
        .put("commitLogOffset", message.getCommitLogOffset())
        .put("storeHost", String.valueOf(message.getStoreHost()))
        .put("properties", message.getProperties())
        .body(message.getBody());
  }

  void print() {
    byte[] line = json.append("}\n").toString().getBytes(StandardCharsets.UTF_8);
    synchronized (OUT) {
      try {
        OUT.write(line);
      } catch (java.io.IOException gone) {
        // The reader of the pipe is the test: without it there is nothing left to do here.
        Runtime.getRuntime().halt(3);
      }
    }
  }

  private void key(String name) {
    if (json.length() > 1) json.append(',');
    quote(name);
    json.append(':');
  }

  private void quote(String text) {
    json.append('"');
    for (int at = 0; at < text.length(); at++) {
      char c = text.charAt(at);
      if (c == '"' || c == '\\') json.append('\\').append(c);
      else if (c < 0x20 || (c >= 0xD800 && c <= 0xDFFF)) json.append(String.format("\\u%04x", (int) c));
      else json.append(c);
    }
    json.append('"');
  }

  private static String sha256(byte[] bytes) {
    try {
      StringBuilder hex = new StringBuilder();
      for (byte b : MessageDigest.getInstance("SHA-256").digest(bytes)) hex.append(String.format("%02x", b));
      return hex.toString();
    } catch (java.security.NoSuchAlgorithmException impossible) {
      throw new IllegalStateException(impossible);
    }
  }
}
