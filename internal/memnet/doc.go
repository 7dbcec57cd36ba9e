// Package memnet is a network in memory for tests: listeners, dialling and
// connections that behave as TCP's do, and the faults of real networks on
// request. Everything blocks on channels made when they are needed, with no
// mutex held and no goroutine behind it, so that inside a testing/synctest
// bubble a blocked Read counts as durably blocked and time moves on.
//
//	var nw memnet.Network
//	ln, err := nw.Listen("broker:1883")
//	conn, err := nw.Dial(ctx, "tcp", "broker:1883")
//
// Faults are set for the next dial (NextFaults), for all dials (SetFaults), and
// on a live connection from either end (Conn.Cut, Conn.SetLink). tls.Conn users
// reach their Conn with NetConn.
package memnet
