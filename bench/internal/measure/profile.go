package measure

import (
	"errors"
	"os"
	"runtime"
	"runtime/pprof"
)

// Profiles names the files to write profiles of the measured part to; empty
// for none.
type Profiles struct{ CPU, Mutex, Block, Allocs string }

// Start begins what has to be begun. The returned function writes the files.
func (p Profiles) Start() (stop func() error, err error) {
	var cpu *os.File
	if p.Mutex != "" {
		runtime.SetMutexProfileFraction(5)
	}
	if p.Block != "" {
		runtime.SetBlockProfileRate(1000)
	}
	if p.CPU != "" {
		if cpu, err = os.Create(p.CPU); err != nil {
			return nil, err
		}
		if err := pprof.StartCPUProfile(cpu); err != nil {
			return nil, errors.Join(err, cpu.Close())
		}
	}
	return func() error {
		var errs []error
		if cpu != nil {
			pprof.StopCPUProfile()
			errs = append(errs, cpu.Close())
		}
		for _, x := range []struct{ name, file string }{{"mutex", p.Mutex}, {"block", p.Block}, {"allocs", p.Allocs}} {
			if x.file == "" {
				continue
			}
			f, err := os.Create(x.file)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			errs = append(errs, pprof.Lookup(x.name).WriteTo(f, 0), f.Close())
		}
		return errors.Join(errs...)
	}, nil
}
