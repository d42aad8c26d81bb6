export interface BenchRow {
  name: string;
  value: number;
  unit: string;
  ratio?: { beside: string; value: number };
  goal?: string;
}
