// The contract of src/http/API.md, as types. Only for checking; nothing of it is shipped.

declare namespace Api {
  type Value = number | string | boolean | null;
  interface Status {
    now: string;
    health: 'ok' | 'degraded' | 'critical';
    summary: string;
    mode: { mode: string; since: string | null; cause: string | null };
    paused_since: string | null;
    version: string;
    pid: number;
    started: string | null;
    broker: { url: string; client_id: string; connection: 'starting' | 'connected' | 'disconnected'; since: string | null; why: string | null; session_present: boolean | null };
    database: { path: string; bytes: number | null; wal_bytes: number | null; free_bytes: number | null; last_commit: string | null; failures_in_a_row: number; last_failure: string | null; full_in_seconds?: number | null; summing_up?: { done: number; of: number } | null };
    spool: { path: string; messages: number; bytes: number | null; free_bytes: number | null };
    rates: { received_per_second: number; commits_per_second: number; over_seconds: number };
    flow?: { received: number; held: number; acknowledged?: number; batch_rows_mean: number | null; commit_ms_p50: number | null; commit_ms_p99: number | null; waits_in: string };
    routes: { route: string; topic: string; stored: number; latest: { received_at: string; values: { column: string; value: Value; unit: string | null }[] } | null }[];
    actors: Actor[];
    issues: Issue[];
    account: Account;
  }
  interface Actor { actor: string; state: string; since: string | null; pulse_age_ms: number | null; restarts: number; last_exit: string | null; messages_per_second?: number | null }
  interface Issue { id: string; severity: 'warning' | 'critical'; since: string; summary: string; hint: string; acknowledged?: { at: string; by: string } | null }
  interface Account { received: number; received_before: number; stored: number; rows: number; duplicate: number; filtered: number; quarantined: number; dropped: number; spooled: number; held: number; balanced: boolean }
  interface Column { name: string; kind: string; unit: string | null; label: string | null; decimals: number | null; min: number | null; max: number | null }
  interface Derived { name: string; kind: string; of: string[]; unit: string | null; per: number | null; factor: number; offset: number }
  interface Route { route: string; topic: string; qos: number; silent_after_s: number | null; time_column: string | null; first_at_ms?: number | null; columns: Column[]; derived: Derived[] }
  interface LatestRoute { route: string; received_at_ms: number | null; silent: boolean; values: Record<string, Value>; out_of_bounds: string[]; derived: Record<string, number | null> }
  interface Latest { now_ms: number; routes: LatestRoute[] }
  interface Buckets { count: (number | null)[]; min: (number | null)[]; max: (number | null)[]; mean: (number | null)[]; sum: (number | null)[]; first: (number | null)[]; last: (number | null)[] }
  interface Series { route: string; from_ms: number; to_ms: number; bucket_ms: number; complete?: false; built?: number; t: number[]; columns: Record<string, Buckets> }
  interface Event { id: number; at: string; event: string; actor: string | null; severity: 'info' | 'warning' | 'error'; detail: string }
  interface Gap { from: string; to: string | null; cause: string; route: string | null; detail: string }
  interface Session { admin: boolean; signed_in: boolean; anonymous_read: boolean; commands: boolean; fault_injection: boolean }
  type Row = [number, Value[]];
  interface RowsOf { route: string; rows: Row[]; skipped: number; derived?: Record<string, number | null> }
  type Frame =
    | { seq: number; type: 'snapshot'; status: Status; latest: Latest }
    | { seq: number; type: 'rows'; routes: RowsOf[] }
    | { seq: number; type: 'status'; status: Status }
    | { seq: number; type: 'event'; event: Event }
    | { seq: number; type: 'alive'; now_ms: number };
}

/** The part of uPlot that the page uses. */
declare namespace Plot {
  interface Instance {
    root: HTMLElement;
    over: HTMLElement;
    ctx: CanvasRenderingContext2D;
    bbox: { left: number; top: number; width: number; height: number };
    width: number;
    height: number;
    cursor: { left: number | null; top: number | null; idx: number | null };
    data: (number | null)[][];
    scales: Record<string, { min: number | null; max: number | null }>;
    select: { left: number; width: number };
    setData(data: (number | null)[][], resetScales?: boolean): void;
    setSize(size: { width: number; height: number }): void;
    setCursor(at: { left: number; top: number }, fire?: boolean): void;
    setScale(key: string, limits: { min: number; max: number }): void;
    setSelect(select: { left: number; top: number; width: number; height: number }, fire?: boolean): void;
    posToVal(left: number, scale: string): number;
    valToPos(value: number, scale: string, canvas?: boolean): number;
    destroy(): void;
  }
  interface Constructor {
    new (options: object, data: (number | null)[][], target: HTMLElement): Instance;
    sync(key: string): { plots: Instance[] };
  }
}
interface Window { uPlot?: Plot.Constructor }
