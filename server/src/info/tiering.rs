//! `INFO tiering`: what the boundary between DRAM and SSD does and costs.

use thermocline_engine::{EngineMetrics, LatencySummary};

use super::Field;
use super::View;

pub(super) fn fields(server: &View<'_>) -> Vec<Field> {
    from_metrics(&server.databases().metrics())
}

fn from_metrics(m: &EngineMetrics) -> Vec<Field> {
    let mut fields = vec![
        Field::gauge("tier_items_memory", m.items_memory, "Values in DRAM."),
        Field::gauge("tier_items_ssd", m.items_ssd, "Values on the SSD only."),
        Field::gauge("tier_bytes_memory", m.bytes_memory, "Bytes of values in DRAM."),
        Field::gauge("tier_bytes_ssd", m.bytes_ssd, "Bytes of live records on the SSD."),
        Field::gauge("tier_capacity_bytes", m.capacity_bytes, "Bytes of the SSD tier's files."),
        Field::counter("tier_hits_memory", m.hits_memory, "Reads of values that were in DRAM."),
        Field::counter("tier_hits_ssd", m.hits_ssd, "Reads of values that came from the SSD."),
        Field::counter("tier_misses", m.misses, "Reads of keys that do not exist."),
        Field::fraction("tier_memory_hit_ratio", m.memory_hit_ratio, 4, "Share of reads that DRAM answered."),
        Field::counter("tier_items_read_from_disk", m.items_read_from_disk, "Records read from the SSD."),
        Field::counter("tier_items_written_to_disk", m.items_written_to_disk, "Records written to the SSD."),
        Field::counter("tier_bytes_read_from_disk", m.bytes_read_from_disk, "Bytes read from the SSD."),
        Field::counter("tier_bytes_written_to_disk", m.bytes_written_to_disk, "Bytes written to the SSD."),
        Field::counter("tier_demotions", m.demotions, "Values that were written to the SSD and left DRAM."),
        Field::counter("tier_clean_demotions", m.clean_demotions, "Values that left DRAM without a write."),
        Field::counter("tier_promotions", m.promotions, "Values that came back into DRAM."),
        Field::fraction(
            "tier_write_amplification",
            m.write_amplification,
            3,
            "Bytes written to the SSD for each byte of demoted values.",
        ),
        Field::counter("tier_gc_segments_collected", m.gc_segments_collected, "Segments that gc has freed."),
        Field::counter("tier_gc_bytes_relocated", m.gc_bytes_relocated, "Bytes that gc has written anew."),
        Field::counter("tier_gc_bytes_read", m.gc_bytes_read, "Bytes that gc has read."),
        Field::gauge("tier_segments_free", m.segments_free, "Segments that can be written."),
        Field::gauge("tier_segments_failed", m.segments_failed, "Segments taken out of use after an error."),
    ];
    fields.extend(latency(
        SSD_NAMES,
        &m.ssd_latency,
        "A read of the SSD, submission to completion, in microseconds.",
    ));
    fields.extend(latency(
        ADDED_NAMES,
        &m.added_latency,
        "What a request waited for the SSD tier, in microseconds.",
    ));
    fields.extend(latency(DRAM_NAMES, &m.dram_latency, "A sampled read from DRAM, in microseconds."));
    fields.extend([
        Field::gauge("tier_inflight_reads", m.inflight_reads, "Reads of the SSD under way."),
        Field::gauge("tier_throttled_clients", m.throttled_clients, "Writers that wait for room in DRAM."),
        Field::counter("tier_refused_writes", m.refused_writes, "Writes refused for lack of room."),
        Field::counter("tier_read_errors", m.read_errors, "Reads of the SSD that failed."),
        Field::counter("tier_write_errors", m.write_errors, "Writes to the SSD that failed."),
        Field::counter("tier_checksum_errors", m.checksum_errors, "Records whose checksum was wrong."),
        Field::gauge("tier_dram_index_bytes", m.dram_index_bytes, "DRAM of keys and index."),
        Field::gauge("tier_dram_values_bytes", m.dram_values_bytes, "DRAM of values."),
        Field::gauge(
            "tier_dram_clean_bytes",
            m.dram_clean_bytes,
            "DRAM of values that can leave without a write.",
        ),
        Field::gauge("tier_dram_buffers_bytes", m.dram_buffers_bytes, "DRAM of buffers for the SSD."),
        Field::gauge(
            "tier_dram_values_limit_bytes",
            m.dram_values_limit_bytes,
            "What values may take of DRAM at this moment; 0 is no limit.",
        ),
    ]);
    fields
}

type LatencyNames = [&'static str; 4];

const SSD_NAMES: LatencyNames = [
    "tier_ssd_latency_us_mean",
    "tier_ssd_latency_us_p50",
    "tier_ssd_latency_us_p99",
    "tier_ssd_latency_us_p999",
];
const ADDED_NAMES: LatencyNames = [
    "tier_added_latency_us_mean",
    "tier_added_latency_us_p50",
    "tier_added_latency_us_p99",
    "tier_added_latency_us_p999",
];
const DRAM_NAMES: LatencyNames = [
    "tier_dram_latency_us_mean",
    "tier_dram_latency_us_p50",
    "tier_dram_latency_us_p99",
    "tier_dram_latency_us_p999",
];

fn latency(names: LatencyNames, summary: &LatencySummary, help: &'static str) -> [Field; 4] {
    let numbers = [summary.mean_us, summary.p50_us, summary.p99_us, summary.p999_us];
    std::array::from_fn(|at| Field::fraction(names[at], numbers[at], 2, help))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tools and dashboards read these names: a renamed one is a broken promise.
    #[test]
    fn the_names_that_users_see_are_all_there() {
        let fields = from_metrics(&EngineMetrics::default());
        let names: Vec<&str> = fields.iter().map(|field| &*field.name).collect();
        let promised = "tier_items_memory tier_items_ssd tier_bytes_memory tier_bytes_ssd tier_capacity_bytes \
            tier_hits_memory tier_hits_ssd tier_misses tier_memory_hit_ratio tier_items_read_from_disk \
            tier_items_written_to_disk tier_bytes_read_from_disk tier_bytes_written_to_disk tier_demotions \
            tier_clean_demotions tier_promotions tier_write_amplification tier_gc_segments_collected \
            tier_gc_bytes_relocated tier_ssd_latency_us_mean tier_ssd_latency_us_p50 tier_ssd_latency_us_p99 \
            tier_ssd_latency_us_p999 tier_added_latency_us_mean tier_added_latency_us_p50 \
            tier_added_latency_us_p99 tier_added_latency_us_p999 tier_inflight_reads tier_throttled_clients \
            tier_refused_writes tier_read_errors tier_write_errors tier_checksum_errors tier_dram_index_bytes \
            tier_dram_values_bytes tier_dram_clean_bytes tier_dram_buffers_bytes";
        for name in promised.split_whitespace() {
            assert!(names.contains(&name), "{name}");
        }
    }
}
