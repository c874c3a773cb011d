// Package simulation holds tests only: whole collaborations in one process, with faults and attackers.
//
// Every test runs real nodes on loopback, over TLS with pinned keys, and speaks the real protocol; only customers are made
// up, from a seed, so that every question can be answered from them exactly (truth_test.go). A hostile coordinator, which
// sees and can change everything that passes between analysts and parties, is an honest one whose wires are tapped
// (tap_test.go), or one that is played by hand, step by step (conductor_test.go); it holds the coordinator's key and no other.
// A crash is a ledger that can't be written any more and connections that break, or, for a party that runs in a process of
// its own (process_test.go), a kill -9 at a point that its code names. Ledgers are read as an auditor would, with plain SQL
// (journal_test.go). When a test ends, however its questions ended, no node may have a session, a reservation or a busy
// goroutine left (leftovers_test.go).
//
// The course of events follows from seeds; keys, noise and encryption are drawn anew each time, and what runs at the same
// time may interleave differently.
//
// SOTTO_LONG=1 runs the exhaustive variants, SOTTO_SEED=n another random course of events than the usual one.
package simulation
