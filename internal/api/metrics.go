package api

import (
	"net/http"
	"runtime"
	"strconv"
	"time"
)

// began is when this process began, for who counts how often that happens.
var began = time.Now()

// machineRoutes are what programs that watch over devices ask for.
func (s *Server) machineRoutes() []route {
	return []route{
		{http.MethodGet, "/metrics", looking, 0, s.metrics},
		{http.MethodGet, "/healthz", looking, 0, s.healthz},
	}
}

// metrics tells in numbers what status, history and device tell in words.
func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) error {
	var e exposition
	status := s.house.Status()
	device := s.house.Device()
	e.gauge("ota_info", "The version of ota; always 1.", one(1, label{"version", status.Version}))
	e.program(status.Program, device)
	history, _ := s.house.History() // those that can be read are told
	e.releases(status.Release, history)
	e.deposit(status.Deposit)
	e.device(device)
	if last := s.house.Tail(1); len(last) > 0 {
		e.counter("ota_log_lines_total", "Lines of the log since the start of ota.", one(int64(last[0].Seq)))
	}
	e.process()
	write(w, expositionType, http.StatusOK, e.text)
	return nil
}

func (e *exposition) program(program Program, device Device) {
	e.gauge("ota_program_up", "Whether the program runs.", truth(program.State == Running))
	e.gauge("ota_program_state", "What the program does: the state whose value is 1.",
		stateSet(program.State, Running, Finished, Backoff, Equipping, Stopped, Waiting)...)
	if program.Started != nil {
		e.gauge("ota_program_started_timestamp_seconds", "When the process of the program was started.", timestamp(*program.Started))
	}
	e.gauge("ota_program_restarts", "Restarts after a crash, since the release was switched in.", one(program.Restarts))
	e.gauge("ota_program_crash_looping", "Whether the program crashes again and again.", truth(program.CrashLooping))
	e.gauge("ota_program_memory_bytes", "Resident memory of the program and all that it started.", known(device.Usage.Memory)...)
	e.counter("ota_program_cpu_seconds_total", "Processor time that the program and all that it started have used since the start of ota.", known(device.CPUSeconds)...)
}

func (e *exposition) releases(current *Release, history []HistoryEntry) {
	if current != nil {
		e.gauge("ota_release_number", "The number of the release in main/.", one(current.Number))
		e.gauge("ota_release_info", "The release in main/; always 1.", one(1,
			label{"number", strconv.Itoa(current.Number)}, label{"state", string(current.State)}, label{"digest", current.Digest}))
	}
	count := map[ReleaseState]int{}
	for _, entry := range history {
		count[entry.State]++
	}
	var samples []sample
	for _, state := range []ReleaseState{Adopted, Trial, Confirmed, Superseded, RolledBack} {
		samples = append(samples, one(count[state], label{"state", string(state)}))
	}
	e.gauge("ota_releases", "Releases in the history, by what became of them.", samples...)
}

func (e *exposition) deposit(deposit Deposit) {
	e.gauge("ota_deposit_state", "What happens to deposit/: the state whose value is 1.",
		stateSet(deposit.State, Empty, Receiving, Checking, Held, Deferred, Switching)...)
	e.gauge("ota_deposit_held", "Whether the upload in deposit/ is refused.", truth(deposit.State == Held))
	e.gauge("ota_deposit_files", "Files in deposit/.", one(deposit.Files))
	e.gauge("ota_deposit_bytes", "Bytes in deposit/.", one(deposit.Bytes))
}

func (e *exposition) device(device Device) {
	e.gauge("ota_device_temperature_celsius", "Temperature of the processor.", known(device.Temperature)...)
	if device.PowerKnown {
		e.gauge("ota_device_power_problems", "How much is or was wrong with the power or the heat of the machine since its start.", one(len(device.Power)))
		var samples []sample
		for _, problem := range device.Power {
			samples = append(samples, one(1, label{"problem", problem}))
		}
		e.gauge("ota_device_power_problem", "What is or was wrong with the power or the heat of the machine; always 1.", samples...)
	}
	e.gauge("ota_device_disk_free_bytes", "Space that is free where the folder is.", known(device.DiskFree)...)
	e.gauge("ota_device_disk_size_bytes", "Space that there is where the folder is.", known(device.DiskTotal)...)
	e.gauge("ota_device_memory_available_bytes", "Memory that could be had.", known(device.MemoryFree)...)
	e.gauge("ota_device_memory_size_bytes", "Memory of the machine.", known(device.MemoryTotal)...)
	e.gauge("ota_device_load1", "Load of the last minute.", known(device.Load)...)
	e.gauge("ota_device_processors", "Processors of the machine.", one(device.Processors))
	if device.Booted != nil {
		e.gauge("ota_device_boot_timestamp_seconds", "When the machine was started, by its present clock.", timestamp(*device.Booted))
	}
	if device.ClockSet != nil {
		e.gauge("ota_device_clock_set", "Whether the clock was synchronised since the start of the machine.", truth(*device.ClockSet))
	}
}

// process tells of ota itself, by the names that others use for it:
// https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics
func (e *exposition) process() {
	if cpu, memory, ok := ownUsage(); ok {
		e.counter("process_cpu_seconds_total", "Processor time that ota itself has used.", one(cpu.Seconds()))
		e.gauge("process_resident_memory_bytes", "Resident memory of ota itself.", one(memory))
	}
	e.gauge("process_start_time_seconds", "When ota was started.", timestamp(began))
	e.gauge("go_goroutines", "Goroutines of ota.", one(runtime.NumGoroutine()))
}

func timestamp(at time.Time) sample { return one(float64(at.UnixMilli()) / 1000) }
