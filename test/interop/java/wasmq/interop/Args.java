package wasmq.interop;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** "--name value" pairs. */
final class Args {
  private final Map<String, String> values;

  private Args(Map<String, String> values) {
    this.values = values;
  }

  static Args of(String[] argv) {
    return batches(argv).get(0);
  }

  /** "--a 1 --b 2 --then --b 3" is two batches; the second one starts as a copy of the first. */
  static List<Args> batches(String[] argv) {
    List<Args> batches = new ArrayList<>();
    Map<String, String> current = new HashMap<>();
    for (int at = 0; at < argv.length; ) {
      if (argv[at].equals("--then")) {
        batches.add(new Args(current));
        current = new HashMap<>(batches.get(0).values);
        at += 1;
      } else if (argv[at].startsWith("--") && at + 1 < argv.length) {
        current.put(argv[at].substring(2), argv[at + 1]);
        at += 2;
      } else {
        throw new IllegalArgumentException("expected --name value, got " + argv[at]);
      }
    }
    batches.add(new Args(current));
    return batches;
  }

  boolean has(String name) {
    return values.containsKey(name);
  }

  String need(String name) {
    String value = values.get(name);
    if (value == null) throw new IllegalArgumentException("--" + name + " is missing");
    return value;
  }

  String or(String name, String otherwise) {
    return values.getOrDefault(name, otherwise);
  }

  int intOr(String name, int otherwise) {
    return has(name) ? Integer.parseInt(values.get(name)) : otherwise;
  }
}
