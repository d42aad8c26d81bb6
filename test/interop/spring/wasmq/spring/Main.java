package wasmq.spring;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Plays scenarios against the name server that is its argument, side by side: each line of standard input names one,
 * and its topics and groups. What it finds is told as one JSON object a line, by the same events as of
 * java/wasmq/interop/Modes.java.
 */
public final class Main {
  private static final Map<String, Scenario.Play> SCENARIOS = Map.ofEntries(
      Map.entry("sends", Sending::sends),
      Map.entry("requests", Sending::requests),
      Map.entry("waitingRequests", Sending::waitingRequests),
      Map.entry("delays", Sending::delays),
      Map.entry("timers", Sending::timers),
      Map.entry("limits", Sending::limits),
      Map.entry("queries", Sending::queries),
      Map.entry("transactions", Transactions::play),
      Map.entry("filters", Consuming::filters),
      Map.entry("group", Consuming::group),
      Map.entry("broadcasting", Consuming::broadcasting),
      Map.entry("ordered", Ordered::play),
      Map.entry("retries", Retries::play),
      Map.entry("consumeFrom", Consuming::consumeFrom),
      Map.entry("trace", Traces::play),
      Map.entry("litePull", Consuming::litePull));

  public static void main(String[] argv) throws Exception {
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    List<Thread> running = new ArrayList<>();
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      String[] words = line.trim().split(" ");
      Scenario scenario = new Scenario(argv[0], words[1], running.size());
      Thread thread = new Thread(() -> scenario.run(SCENARIOS.get(words[0])));
      running.add(thread);
      thread.start();
    }
    for (Thread thread : running) thread.join();
    System.exit(0);
  }
}
