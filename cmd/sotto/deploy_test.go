package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/identity"
)

// node is a running node of a script.
type node struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

type nodesKey struct{}

func nodes(ts *testscript.TestScript) map[string]*node {
	return ts.Value(nodesKey{}).(map[string]*node)
}

// deploy sets up the companies of examples/two-companies in the script's folder, each with an identity, under an
// agreement with free addresses, and makes marketing the analyst of the commands that follow: deploy
func deploy(ts *testscript.TestScript, _ bool, _ []string) {
	keys := map[string]identity.PublicKey{}
	addresses := map[string]string{}
	for _, name := range []string{"bank", "shop", "coordinator", "marketing"} {
		key, err := identity.Create(ts.MkAbs(name+"/identity"), name)
		ts.Check(err)
		keys[name] = key.Public()
		addresses[name], err = freeAddress()
		ts.Check(err)
	}
	for _, name := range []string{"bank", "shop"} {
		ts.Check(os.CopyFS(ts.MkAbs(name), os.DirFS("../../examples/two-companies/"+name)))
	}
	a := &agreement.Agreement{
		Collaboration: "loyalty",
		Coordinator:   agreement.Coordinator{Address: addresses["coordinator"], Key: keys["coordinator"]},
		Parties: []agreement.Party{
			{Name: "bank", Address: addresses["bank"], Key: keys["bank"]},
			{Name: "shop", Address: addresses["shop"], Key: keys["shop"]},
		},
		Analysts: []agreement.Analyst{{Name: "marketing", Key: keys["marketing"]}},
		Limits:   agreement.Limits{EpsilonPerQuery: 2_000_000, EpsilonTotal: 10_000_000, DeltaPerQuery: agreement.DefaultDeltaPerQuery, DeltaTotal: agreement.DefaultDeltaTotal},
		Noise:    agreement.NoiseEveryone, Layouts: []string{agreement.LayoutHashed}, Purposes: []string{"marketing", "planning"},
	}
	ts.Check(a.Write(ts.MkAbs("agreement.yaml")))
	ts.Setenv("SOTTO_AGREEMENT", ts.MkAbs("agreement.yaml"))
	ts.Setenv("SOTTO_IDENTITY", ts.MkAbs("marketing/identity"))
}

// start starts a node of the deployment and waits until it answers; it logs to NAME.log: start NAME [flags]
func start(ts *testscript.TestScript, _ bool, args []string) {
	name := args[0]
	flags := []string{"coordinator", "--store", "coordinator/store"}
	if name != "coordinator" {
		flags = []string{"party", "--config", name + "/party.yaml", "--state", name + "/state"}
		if _, err := os.Stat(ts.MkAbs(name + "/state")); err != nil {
			flags = append(flags, "--create-state")
		}
	}
	flags = append(flags, "--agreement", ts.Getenv("SOTTO_AGREEMENT"), "--identity", ts.MkAbs(name+"/identity"))
	log, err := os.Create(ts.MkAbs(name + ".log"))
	ts.Check(err)
	defer log.Close()
	n := &node{cmd: scriptCommand(ts, "sotto", append(flags, args[1:]...)...), ended: make(chan struct{})}
	n.cmd.Stdout, n.cmd.Stderr = log, log
	ts.Check(n.cmd.Start())
	go func() {
		_ = n.cmd.Wait() // its exit code says all
		close(n.ended)
	}()
	nodes(ts)[name] = n
	ts.Defer(func() {
		_ = n.cmd.Process.Kill()
		<-n.ended
	})
	awaitText(ts, log.Name(), `"msg":"serving"`, n.ended)
}

// available returns when the coordinator reaches all parties: after a node's restart it tries again within seconds.
func available(ts *testscript.TestScript, _ bool, _ []string) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ts.Exec("sotto", "catalog") == nil && !strings.Contains(ts.ReadFile("stdout"), "unavailable") {
			return
		}
	}
	ts.Fatalf("a party stays unavailable")
}

// halt asks nodes to stop, all at once, and wants each to end by itself, without an error: halt NAME…
func halt(ts *testscript.TestScript, _ bool, names []string) {
	for _, name := range names {
		ts.Check(nodes(ts)[name].cmd.Process.Signal(syscall.SIGTERM))
	}
	for _, name := range names {
		n := nodes(ts)[name]
		select {
		case <-n.ended:
		case <-time.After(patience):
			ts.Fatalf("%s does not stop", name)
		}
		if code := n.cmd.ProcessState.ExitCode(); code != 0 {
			ts.Fatalf("%s ended with exit code %d:\n%s", name, code, ts.ReadFile(filepath.Join(ts.MkAbs("."), name+".log")))
		}
	}
}

// kill kills a node outright: kill9 NAME
func kill(ts *testscript.TestScript, _ bool, args []string) {
	n := nodes(ts)[args[0]]
	ts.Check(n.cmd.Process.Kill())
	<-n.ended
}
