// Plays scenarios against the name server of --namesrv: each line of standard input names one, and its topics and groups. What it finds is
// told as one JSON object a line, by the same events as of java/wasmq/interop/Modes.java.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/apache/rocketmq-client-go/v2/rlog"
)

type fields map[string]interface{}

var plays = map[string]func(*scenario){
	"sends":        sends,
	"requestReply": requestReply,
	"filters":      filters,
	"group":        group,
	"broadcasting": broadcasting,
	"ordered":      ordered,
	"delays":       delays,
	"transactions": transactions,
	"retries":      retries,
	"pull":         pull,
	"admin":        administration,
}

var out sync.Mutex

func say(line fields) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	out.Lock()
	defer out.Unlock()
	os.Stdout.Write(append(text, '\n'))
}

func main() {
	namesrv := flag.String("namesrv", "", "host:port")
	flag.Parse()
	// To standard error, the end of which is shown of a test that fails.
	rlog.SetLogLevel("warn")
	var playing sync.WaitGroup
	lines := bufio.NewScanner(os.Stdin)
	for number := 0; lines.Scan(); number++ {
		words := strings.Fields(lines.Text())
		s := &scenario{namesrv: *namesrv, name: words[1], number: number}
		playing.Add(1)
		go func() {
			defer playing.Done()
			done := fields{"event": "done", "number": s.number}
			if err := played(s, words[0]); err != nil {
				done["error"], done["message"] = "error", err.Error()
			}
			say(done)
		}()
	}
	playing.Wait()
	say(fields{"event": "stopped"})
}

func played(s *scenario, what string) (failed error) {
	defer s.close()
	defer func() {
		if err := recover(); err != nil {
			failed = fmt.Errorf("%v", err)
		}
	}()
	play, known := plays[what]
	if !known {
		return fmt.Errorf("no such scenario: %s", what)
	}
	play(s)
	return nil
}
