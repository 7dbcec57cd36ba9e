package v1jobs

import (
	"go/ast"
	"go/constant"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// statuses are what a device may report, by the numbers of v1's enum.
var statuses = map[int64]string{2: "StatusInProgress", 3: "StatusFailed", 4: "StatusSucceeded", 6: "StatusRejected"}

// fields are the options of v1's requests, with what a request does with their values. The names have stayed.
var fields = map[string]func(*rewrite.Class, string, ast.Expr) []edit.Piece{
	"StatusDetails":            func(_ *rewrite.Class, name string, e ast.Expr) []edit.Piece { return field(name, e) },
	"StepTimeoutInMinutes":     func(_ *rewrite.Class, name string, e ast.Expr) []edit.Piece { return field(name, e) },
	"ExpectedVersion":          positive,
	"ExecutionNumber":          positive,
	"IncludeJobExecutionState": flag,
	"IncludeJobDocument":       flag,
}

// positive is a number that v1 sent when it was above 0.
func positive(k *rewrite.Class, name string, e ast.Expr) []edit.Piece {
	v := k.Value(e)
	switch {
	case v == nil:
		return []edit.Piece{edit.Text(name + ": " + k.Q(e.Pos(), paths.IOTJobs) + ".Positive("), edit.Src(e), edit.Text(")")}
	case constant.Sign(v) <= 0:
		return nil
	}
	return []edit.Piece{edit.Text(name + ": new(int64("), edit.Src(e), edit.Text("))")}
}

// flag is a flag that v1 sent when it was true.
func flag(k *rewrite.Class, name string, e ast.Expr) []edit.Piece {
	if v := k.Value(e); v != nil && !constant.BoolVal(v) {
		return nil
	}
	return always(name, e)
}

// always is a flag that v1 sent whatever it was.
func always(name string, e ast.Expr) []edit.Piece {
	return []edit.Piece{edit.Text(name + ": new("), edit.Src(e), edit.Text(")")}
}

// options are the fields of an options literal; ok is false when it is something else, with the reason recorded.
func options(k *rewrite.Class, e ast.Expr) (out [][]edit.Piece, ok bool) {
	lit, is := ast.Unparen(e).(*ast.CompositeLit)
	if !is {
		k.Block(e.Pos(), rule, "jobs", "the options of the request are not a literal")
		return nil, false
	}
	for _, el := range lit.Elts {
		kv, keyed := el.(*ast.KeyValueExpr)
		if !keyed {
			k.Block(el.Pos(), rule, "jobs", "the options of the request are a literal without names")
			return nil, false
		}
		name := kv.Key.(*ast.Ident).Name
		f := fields[name](k, name, kv.Value)
		if f == nil && !k.Pkg.Pure(kv.Value) {
			k.Block(kv.Pos(), rule, "evaluation-order", "the value is left out, and has an effect")
			return nil, false
		}
		out = append(out, f)
	}
	return out, true
}

// numbers reports whether an options literal has a number that v1 sent as a string.
func numbers(e ast.Expr) bool {
	for _, el := range ast.Unparen(e).(*ast.CompositeLit).Elts {
		switch el.(*ast.KeyValueExpr).Key.(*ast.Ident).Name {
		case "ExpectedVersion", "ExecutionNumber":
			return true
		}
	}
	return false
}

func query(k *rewrite.Class, u *flow.Use) {
	t, ok := number(k, u.Call.Args[0])
	if !ok {
		computed(k, u.Call.Args[0])
		return
	}
	row, jobID := topics[t], u.Call.Args[1]
	if row.query == "" || row.job == empty(k, jobID) || !row.job && k.Value(jobID) == nil {
		k.Block(u.Call.Pos(), rule, "jobs", "there is no request for these arguments")
		return
	}
	if row.job {
		request(k, u, row.query, field("JobID", jobID))
	} else {
		request(k, u, row.query)
	}
}

func startNext(k *rewrite.Class, u *flow.Use) {
	if o, ok := options(k, u.Call.Args[0]); ok {
		request(k, u, "StartNextPendingJobExecution", o...)
	}
}

func describe(k *rewrite.Class, u *flow.Use) {
	a := u.Call.Args
	request(k, u, "DescribeJobExecution", field("JobID", a[0]), positive(k, "ExecutionNumber", a[1]), always("IncludeJobDocument", a[2]))
}

func update(k *rewrite.Class, u *flow.Use) {
	a := u.Call.Args
	n, ok := number(k, a[1])
	if !ok {
		computed(k, a[1])
		return
	}
	status := statuses[n]
	if status == "" {
		k.Block(a[1].Pos(), rule, "jobs", "a device may not report this status")
		return
	}
	if o, ok := options(k, a[2]); ok {
		if numbers(a[2]) {
			k.OnWire(u.Sel.Sel.Pos(), "jobs", updateWire)
		}
		text := []edit.Piece{edit.Text("Status: " + k.Q(a[1].Pos(), paths.IOTJobs) + "." + status)}
		request(k, u, "UpdateJobExecution", append([][]edit.Piece{field("JobID", a[0]), text}, o...)...)
	}
}
